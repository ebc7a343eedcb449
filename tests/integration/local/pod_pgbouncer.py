"""PgBouncer on the files that `python -m app pgbouncer-config` writes for a pod."""

import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

import psycopg2

from app.infra.pgbouncer.ini import SERVICE
from app.local.account import PrivateFolder, hand_over, server_account
from app.local.postgres import ROLE, Postgres, free_port
from app.local.process import Command, Server
from app.local.programs import program
from tests.certificates import Authority

SECRET = 'it\'s a "quoted" secret'


class PodPgBouncer(Server):
    """The PgBouncer sidecar of a pod, with a pool of 3."""

    name = "PgBouncer"

    def __init__(self, postgres: Postgres, database: str, changes: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._account = server_account()
        self._private = PrivateFolder(self._account)
        self.folder, self.port = self._private.path, free_port()
        password = self.folder / "operator-password"
        password.write_text(SECRET + "\n")
        Authority().write(self.folder / "tls")
        self.variables = {
            "DATABASE_HOST": str(postgres.sockets),
            "DATABASE_PORT": str(postgres.port),
            "DATABASE_NAME": database,
            "DATABASE_USER": ROLE,
            "DATABASE_PASSWORD": "not ' asked for",
            "DATABASE_TLS_MODE": "disable",
            "PGBOUNCER_PORT": str(self.port),
            "PGBOUNCER_SOCKET_FOLDER": str(self.folder),
            "PGBOUNCER_POOL_SIZE": "3",
            "PGBOUNCER_OPERATOR_PASSWORD_FILE": str(password),
            "PGBOUNCER_TLS_FOLDER": str(self.folder / "tls"),
            "PGBOUNCER_EXPORTER_FOLDER": str(self.folder),
            **changes,
        }

    def write(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "app", "pgbouncer-config", "--out", str(self.folder)]
        return subprocess.run(command, env=self.variables | variables, text=True, capture_output=True, check=False)

    def url(self, database: str = SERVICE, user: str = SERVICE) -> str:
        """The URL over the Unix socket."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def close(self) -> None:
        self.stop()
        self._private.remove()

    def _command(self) -> Command:
        assert self.write().returncode == 0
        for each in self.folder.iterdir():
            hand_over(each, self._account)
        arguments = [program("pgbouncer") or "pgbouncer", "-q", self.folder / "pgbouncer.ini"]
        return Command(arguments, log=self.folder / "log", account=self._account)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("pgbouncer"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True


def ask(url: str, sql: str, password: str | None = None) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url, connect_timeout=5, password=password)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def setting(pooler: PodPgBouncer, name: str) -> object:
    return {row[0]: row[1] for row in ask(pooler.url("pgbouncer"), "SHOW CONFIG")}[name]
