"""A PgBouncer of our own in transaction mode on a Unix socket, between the service and `Postgres`."""

import signal
from collections.abc import Sequence
from pathlib import Path

import psycopg2

from app.infra.pgbouncer.ini import connection_string, ini, pool
from app.local.account import PrivateFolder, hand_over, server_account
from app.local.postgres import DATABASE, PORT, ROLE, GivenPostgres, Postgres
from app.local.process import Command, LocalError, Server
from app.local.programs import program


class PgBouncer(Server):
    """`statements` run on each new server connection (1.18 hangs on more than about 500 bytes of them).

    `url` names the service's database, `url_of` any other of the same PostgreSQL; `pool_size` is for each.
    """

    name = "PgBouncer"
    stop_signal = signal.SIGQUIT  # at once, with every version; SIGTERM waits for the clients since 1.23

    def __init__(
        self,
        postgres: Postgres | GivenPostgres,
        statements: Sequence[str] = (),
        *,
        pool_size: int = 20,
        log: Path | None = None,
    ) -> None:
        super().__init__()
        found = program("pgbouncer")
        if found is None:
            raise LocalError("pgbouncer is not installed")
        self._program = found
        self._account = server_account()
        self._private = PrivateFolder(self._account)
        self._folder = self._private.path
        self._log = log or self._folder / "log"
        self._postgres, self._statements, self._pool_size = postgres, statements, pool_size

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    @property
    def console_url(self) -> str:
        """PgBouncer's own console (SHOW, SET, PAUSE, RECONNECT ...)."""
        return self.url_of("pgbouncer")

    def url_of(self, database: str) -> str:
        return f"postgresql://{ROLE}@/{database}?host={self._folder}&port={PORT}"

    def close(self) -> None:
        self.stop()
        self._private.remove()

    def _command(self) -> Command:
        (self._folder / "users.txt").write_text(f'"{ROLE}" ""\n')
        (self._folder / "pgbouncer.ini").write_text(self._ini())
        for each in self._folder.iterdir():
            hand_over(each, self._account)
        arguments: list[str | Path] = [self._program, "-q", self._folder / "pgbouncer.ini"]
        return Command(arguments, log=self._log, account=self._account, death_signal=self.stop_signal)

    def _ini(self) -> str:
        statements = "; ".join(" ".join(each.splitlines()) for each in self._statements)
        server = connection_string(**self._postgres.connection, connect_query=statements)
        values: dict[str, object] = {
            "listen_addr": "",
            "listen_port": PORT,
            "unix_socket_dir": self._folder,
            "unix_socket_mode": "0700",
            "auth_type": "trust",
            "auth_file": self._folder / "users.txt",
            "admin_users": ROLE,
            **pool(self._pool_size),
            **self._postgres.tls,
            "max_client_conn": 5000,
            "query_wait_timeout": 8,
        }
        return ini({"*": server}, values)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.console_url, connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True
