"""What the faults are done to: PostgreSQL with a replica, memcached, mail, pods, a task worker and gateways.

All of them reach PostgreSQL, its replica, memcached and the mail server through links that can be slow or cut.
"""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from app.alerts.store import insert
from app.coherence.replace_log import adopt_log
from app.config import DatabaseTuning, Passwords
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.infra.secrets.passwords import PasswordHasher
from app.local.development import secret_files
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import DATABASE, ROLE, GivenPostgres, Postgres
from app.local.process import LocalError, becomes_true
from app.local.standby import WAL_SETTINGS, Standby
from app.main import preparation
from app.users.store import UserStore
from tests.chaos.disk import Disk
from tests.chaos.links import FAIR, Links, Weather
from tests.chaos.mail_server import MailServer
from tests.integration.realtime.gateways import Gateway
from tests.integration.tasks.workers import TaskWorker
from tests.pods.pod import KINDS, Pod, Shared
from tests.sql import ask

PASSWORD = "a long walk in the rain"
POOL, SMALL_POOL, HEADROOM = 10, 4, 5
READERS, FOLLOWED, ALERTED = 60, 6, 2_500
SILENT_S = 5
"""TASKS_SILENT_SECONDS of the task worker: 30 s by default."""
SMALL = {"max_wal_size": "96MB", "min_wal_size": "32MB", "wal_keep_size": "128MB"}
PRIMARY, REPLICA, LOG, OTHER, MAIL = LINKS = "postgres", "replica", "memcached-0", "memcached-1", "mail"


class Linked(GivenPostgres):
    """A PostgreSQL as it is reached through a link."""

    def __init__(self, socket: Path) -> None:
        self._folder = socket.parent
        super().__init__(self.url(DATABASE))

    def url(self, database: str) -> str:
        return f"postgresql://{ROLE}@/{database}?host={self._folder}&port=5432"


class AppPod(Pod):
    """A pod of the service with two workers, its PgBouncer, and another one to the replica."""

    def __init__(self, name: str, shared: Shared, replica: Linked, variables: dict[str, str]) -> None:
        super().__init__(name, shared, [], kind=KINDS[0], workers=2)
        self.to_replica = PgBouncer(replica, pool_size=POOL)
        self._variables = variables

    def start(self) -> None:
        self.to_replica.start()
        super().start()

    def close(self) -> None:
        super().close()
        self.to_replica.close()

    def environment(self) -> dict[str, str]:
        return super().environment() | self._variables | {"DATABASE_REPLICA_URLS": self.to_replica.url}

    def sessions(self) -> tuple[int, ...]:
        """The sessions of its processes, as the links know them."""
        servers = (self.process, self.pgbouncer.process, self.to_replica.process)
        return tuple(each.pid for each in servers if each is not None)


@dataclass(frozen=True)
class People:
    """Ids of made-up accounts: who reads and writes, who is followed by realtime clients, who has a saved search."""

    readers: list[int]
    followed: list[int]
    alerted: list[int]


class Bed:
    """Everything runs when it is made; `people` have `PASSWORD`, and each of `alerted` a search for `word(number)`."""

    def __init__(self, folder: Path, started: ExitStack) -> None:
        self.folder = folder
        self.disk, self.replica_disk = (started.enter_context(Disk(folder / name)) for name in ("disk", "disk-2"))
        settings = WAL_SETTINGS | SMALL
        self.postgres = started.enter_context(Postgres(self.disk.path / "primary", durable=False, settings=settings))
        migrate(self.postgres.direct_url, preparation())
        self.replica = started.enter_context(Standby(self.replica_disk.path / "replica", self.postgres, settings=SMALL))
        self.memcached = [started.enter_context(Memcached()) for _ in range(2)]
        self.mail = started.enter_context(MailServer(folder))
        targets: dict[str, Path | int] = {
            PRIMARY: self.postgres.sockets / ".s.PGSQL.5432",
            REPLICA: self.replica.sockets / ".s.PGSQL.5432",
            LOG: _socket(self.memcached[0]),
            OTHER: _socket(self.memcached[1]),
            MAIL: self.mail.port,
        }
        self.links = started.enter_context(Links(folder, targets))
        addresses = [f"unix:{self.links.at(name)}" for name in (LOG, OTHER)]
        adopt_log(self.postgres.direct_url, addresses[0], alone=True)
        self.people = self._people()
        self._variables = {
            "MEMCACHED_SERVERS": ",".join(addresses),
            "MAIL_URL": f"smtp://localhost:{self.links.at(MAIL)}?starttls=never",
            "MAIL_FROM": "Jobs <no-reply@jobs.example>",
            "MAIL_TIMEOUT": "5",
            "ACCOUNT_PAGES_URL": "https://jobs.example/account",
            "VERIFICATION_NEEDED_FOR": "",
        }
        self._start_processes(started)

    def _start_processes(self, started: ExitStack) -> None:
        primary, replica = (Linked(cast("Path", self.links.at(name))) for name in (PRIMARY, REPLICA))
        shared = Shared(cast("Postgres", primary), DATABASE, self.folder, {})
        self.pods = [started.enter_context(AppPod(name, shared, replica, self._variables)) for name in "ab"]
        self.poolers = [started.enter_context(PgBouncer(primary, pool_size=SMALL_POOL)) for _ in range(3)]
        own = [
            shared.environment()
            | self._variables
            | {"DATABASE_URL": each.url, "PGBOUNCER_CONSOLE_URL": each.console_url}
            | {"TASKS_SILENT_SECONDS": str(SILENT_S)}
            for each in self.poolers
        ]
        self.worker = TaskWorker(self.folder, own[0], program=(sys.executable, "-m", "app", "worker"))
        started.enter_context(self.worker)
        self.gateways = [started.enter_context(Gateway(self.folder, each)) for each in own[1:]]
        if not becomes_true(self.whole, 60):
            raise LocalError("the servers do not become healthy")

    @property
    def budget(self) -> int:
        """The most connections to PostgreSQL that the pools and the headroom allow."""
        return POOL * len(self.pods) + SMALL_POOL * len(self.poolers) + HEADROOM

    def whole(self) -> bool:
        """Whether every process is ready, every pod healthy, and the replica in use."""
        with suppress(LocalError, OSError):
            ready = self.worker.ready() and all(each._answers() for each in self.gateways)
            return ready and all(each.health() == "ok" for each in self.pods)
        return False

    def gateway_sessions(self) -> tuple[int, ...]:
        """The sessions of the first gateway's processes."""
        servers = (self.gateways[0].process, self.poolers[1].process)
        return tuple(each.pid for each in servers if each is not None)

    def worker_sessions(self) -> tuple[int, ...]:
        servers = (self.worker.process, self.poolers[0].process)
        return tuple(each.pid for each in servers if each is not None)

    @contextmanager
    def weather(self, weather: Weather, *names: str) -> Iterator[None]:
        """The links are so within the block."""
        for each in names:
            self.links.become(each, weather)
        try:
            yield
        finally:
            for each in names:
                self.links.become(each, FAIR)

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement, past all links."""
        return ask(self.postgres.direct_url, sql, parameters)

    def restart_worker(self) -> None:
        """Kill the task worker and start it again, as a kubelet does."""
        assert self.worker.process is not None
        self.worker.process.end(signal.SIGKILL)
        self.worker.start()

    def _people(self) -> People:
        pepper = Path(secret_files(self.folder)["PEPPER_FILE"]).read_bytes()
        hasher = PasswordHasher(pepper, Passwords(bcrypt_cost=4))
        database = Database(self.postgres.direct_url, DatabaseTuning(), prepared=False, direct=True)
        numbers = range(1, READERS + FOLLOWED + ALERTED + 1)
        try:
            people = [(email_of(number), "Ada Byron", "Backend engineer") for number in numbers]
            UserStore(database).insert_made_up(people, hasher.hash(PASSWORD))
            ids = [int(row[0]) for row in database.all("SELECT id FROM users ORDER BY id")]
            found = People(ids[:READERS], ids[READERS : READERS + FOLLOWED], ids[READERS + FOLLOWED :])
            with database.transaction() as transaction:
                for number, user in enumerate(found.alerted):
                    insert(transaction, user, "Mine", f"q={word(number)}&lang=en", "instant")
        finally:
            hasher.close()
            database.close()
        return found


def email_of(number: int) -> str:
    """The address of the account that was made as the `number`th, from 1 on."""
    return f"user{number}@example.com"


def word(number: int) -> str:
    """A word that no stemming changes, and by which the `number`th saved search finds."""
    return f"zq{number}x"


def _socket(server: Memcached) -> Path:
    return Path(server.address.removeprefix("unix:"))


@contextmanager
def opened() -> Iterator[Bed]:
    """A bed in a new folder, which every account can enter."""
    with ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)))
        folder.chmod(0o711)
        yield Bed(folder, started)
