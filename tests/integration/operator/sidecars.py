"""PgBouncer sidecars, each with its own address in 127.0.0.0/8 and all with the same port."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psycopg2

from app.config import PoolerSettings
from app.infra.pgbouncer.ini import SERVICE, write_files
from app.local.account import PrivateFolder, hand_over, server_account
from app.local.postgres import ROLE, Postgres, free_port
from app.local.process import Command, Server
from app.local.programs import program
from jobfinder_operator.clients.pgbouncer import Console, ConsoleAccount, connect
from jobfinder_operator.deciding.snapshot import Reading
from tests.certificates import SERVER_NAME, Authority

PASSWORD = "a 'secret' of \"the\" operator"
PORT, REPLICA_PORT = free_port(), free_port()
_HELD = tempfile.TemporaryDirectory(prefix="jobfinder-certificate-")
CERTIFICATE = Authority().write(Path(_HELD.name))  # shared by all sidecars, as in a release
ACCOUNT = ConsoleAccount("jobfinder_operator", PASSWORD, str(CERTIFICATE / "ca.crt"), SERVER_NAME, PORT)
TIMEOUT_S = 2.0
_numbers = itertools.count(11)
Answer = TypeVar("Answer")


class Sidecar(Server):
    """A PgBouncer on the files that the service writes; the service connects to `url`. `beside`: the one of the same
    pod, whose address it shares.
    """

    name = "PgBouncer"

    def __init__(self, postgres: Postgres, database: str, *, floor: int = 1, beside: "Sidecar | None" = None) -> None:
        super().__init__()
        self._account = server_account()
        self._private = PrivateFolder(self._account)
        self.host: str = beside.host if beside else f"127.0.0.{next(_numbers)}"
        self.console_port = REPLICA_PORT if beside else PORT
        self.database, self.url = database, self._url(SERVICE)
        self._settings = PoolerSettings(
            database_host=str(postgres.sockets),
            database_port=postgres.port,
            database_name=database,
            database_user=ROLE,
            database_tls_mode="disable",
            pgbouncer_socket_folder=str(self.folder),
            pgbouncer_port=self.console_port,
            pgbouncer_pool_size=floor,
            pgbouncer_operator_password=PASSWORD,
            pgbouncer_tls_folder=str(self.folder),
        )

    @property
    def folder(self) -> Path:
        return self._private.path

    def close(self) -> None:
        self.stop()
        self._private.remove()

    def _url(self, database: str) -> str:
        return f"postgresql://{SERVICE}@/{database}?host={self.folder}&port={self.console_port}"

    def _command(self) -> Command:
        for name in ("tls.crt", "tls.key"):
            shutil.copy(CERTIFICATE / name, self.folder)
        write_files(self._settings, "", self.folder)
        ini = self.folder / "pgbouncer.ini"
        ini.write_text(ini.read_text().replace("listen_addr = *", f"listen_addr = {self.host}"))
        for each in self.folder.iterdir():
            hand_over(each, self._account)
        arguments = [program("pgbouncer") or "pgbouncer", "-q", ini]
        return Command(arguments, log=self.folder / "log", account=self._account)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self._url("pgbouncer"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True


def on_console(
    sidecar: Sidecar, work: Callable[[Console], Awaitable[Answer]], account: ConsoleAccount = ACCOUNT
) -> Answer:
    """Run `work` on a new console connection and return its result."""

    async def run() -> Answer:
        console = await connect(sidecar.host, replace(account, port=sidecar.console_port), TIMEOUT_S)
        try:
            return await work(console)
        finally:
            console.close()

    return asyncio.run(run())


def read(sidecar: Sidecar) -> Reading:
    """The reading that the operator takes of a sidecar."""
    return on_console(sidecar, lambda console: console.read(at=0))


def setting(sidecar: Sidecar, name: str) -> str:
    """The value of a setting in SHOW CONFIG."""
    rows = on_console(sidecar, lambda console: console.rows("SHOW CONFIG"))
    return next(str(row["value"]) for row in rows if row["key"] == name)
