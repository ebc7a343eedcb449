"""A primary with streaming replicas, and workers that read on them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from app.coherence import Coherence
from app.companies.service import CompanyService
from app.companies.store import CompanyStore
from app.config import Caches, DatabaseTuning, Settings
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import SERVERS, Counters, counter_of
from app.infra.postgres.migrate import migrate
from app.infra.postgres.replica import Primary
from app.infra.postgres.servers import Replicas, open_primary
from app.jobs.board import Board, Common, job_board
from app.jobs.codes.salaries import shipped_rates
from app.jobs.service import follow_company
from app.local.postgres import DATABASE, ROLE, Postgres
from app.local.process import becomes_true
from app.local.standby import WAL_SETTINGS, Standby
from app.main import preparation
from app.users.service import UserService
from app.users.store import UserStore
from tests.integration.coherence.workers import eventually
from tests.integration.jobs.workers import KINDS
from tests.sql import ask

NEW_USER = "INSERT INTO users (email, name, password_hash) VALUES (%s, 'Ada', '') RETURNING id"
NEW_COMPANY = "INSERT INTO companies (slug, name) VALUES (%s, 'Acme') RETURNING id"
NEW_OWNER = "INSERT INTO company_members (company_id, user_id, role) VALUES (%s, %s, 'owner')"
_numbers = count(1)


class Follower(Standby):
    """A replica whose replay can be delayed and stopped."""

    def set(self, name: str, value: str) -> None:
        """Change a setting of a running replica that can be changed by a reload."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    def pause_replay(self) -> None:
        """Replay nothing until `resume_replay`; queries are answered meanwhile."""
        self.execute("SELECT pg_wal_replay_pause()")

    def resume_replay(self) -> None:
        self.execute("SELECT pg_wal_replay_resume()")

    def promote(self) -> None:
        """Become a primary, after what was received is replayed."""
        self.execute("SELECT pg_promote()")

    def has_replayed(self, lsn: str) -> bool:
        return bool(self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn"))

    def catch_up(self) -> None:
        """Wait until everything is replayed that the primary has written so far."""
        lsn = str(self.primary.execute("SELECT pg_current_wal_flush_lsn()"))
        if not becomes_true(lambda: self.has_replayed(lsn), timeout_s=30):
            raise TimeoutError("the replica does not catch up")


@dataclass
class Site:
    """A primary, two replicas, and names of them that can be given to others: `primary` and `second` are links."""

    primary: Postgres
    first: Follower
    second: Follower
    links: Path

    @property
    def url(self) -> str:
        return self._through("primary")

    @property
    def replica_urls(self) -> tuple[str, ...]:
        return self._through("first"), self._through("second")

    def fail_over(self) -> None:
        """Stop the primary and promote the first replica, which has all its WAL."""
        self.first.set("recovery_min_apply_delay", "0")
        self.first.resume_replay()
        self.first.catch_up()
        self.primary.stop()
        self.first.promote()
        eventually(lambda: self.first.execute("SELECT pg_is_in_recovery()") is False)
        self.point("primary", self.first)

    def follow_promoted(self) -> None:
        """Let the second replica follow the first.

        It ends with a restart point on the new timeline: PostgreSQL refuses to recover across the promotion from an
        earlier one ("WAL location belongs to timeline 1"), so that a replica killed before would have to be made anew.
        """
        self.second.follow(self.first)
        self.second.set("recovery_min_apply_delay", "0")
        self.second.resume_replay()
        self.first.execute("CHECKPOINT")
        self.second.catch_up()
        self.second.execute("CHECKPOINT")

    def point(self, name: str, server: Postgres) -> None:
        link = self.links / name
        new = link.with_suffix(".new")
        new.symlink_to(server.sockets)
        new.replace(link)

    def _through(self, name: str) -> str:
        return f"postgresql://{ROLE}@/{DATABASE}?host={self.links / name}&port={self.primary.port}"


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Servers with a migrated database, in a new folder of `folder`."""
    folder = folder / f"replicas-{next(_numbers)}"
    folder.mkdir()
    with ExitStack() as started:
        settings = WAL_SETTINGS | {"wal_receiver_status_interval": "100ms"}
        primary = started.enter_context(Postgres(folder / "primary", durable=False, settings=settings))
        migrate(primary.direct_url, preparation())
        first, second = (started.enter_context(Follower(folder / name, primary)) for name in ("first", "second"))
        links = folder / "links"
        links.mkdir()
        made = Site(primary, first, second, links)
        for name, server in (("primary", primary), ("first", first), ("second", second)):
            made.point(name, server)
        yield made


class Worker:
    """The services of one worker, with caches of its own."""

    def __init__(self, url: str, replica_urls: Sequence[str], memcached: str) -> None:
        settings = Settings(database_url=url, database_replica_urls=tuple(replica_urls), prepared_statements=False)
        tuning = DatabaseTuning()
        self.counters = Counters.create([], 1)
        self.memcache = Memcache((memcached,), 1000)
        self.database, self.replicas = open_primary(settings, tuning), Replicas(settings, tuning)
        self.coherence = Coherence(self.memcache, self.database, self.counters, Caches(), KINDS)
        self.coherence.use_replicas(self.replicas.servers, Primary(self.database))
        self.users = UserService(UserStore(self.database), self.coherence)
        self.companies = CompanyService(CompanyStore(self.database), self.coherence, follow_company)
        common = Common(b"s" * 32, shipped_rates())
        self.board: Board = job_board(self.database, self.coherence, self.companies, common, self.counters)
        self.replicas.start(self.coherence.replicas)
        eventually(self.coherence.leased)

    def counted(self, name: str) -> int:
        """A counter of the replicas, of all of them together."""
        counters = self.counters.snapshot().counters
        return sum(counters[counter_of(name, server)] for server in SERVERS)

    def total(self, name: str) -> int:
        return self.counters.snapshot().counters[name]

    def uses(self, replicas: int) -> bool:
        """Whether it reads from so many replicas."""
        reads = self.coherence.replicas
        return reads is not None and sum(each.asked for each in reads.standings) == replicas

    def sees(self, replicas: int) -> bool:
        """Look at the replicas at once; whether it reads from so many."""
        self.watch()
        return self.uses(replicas)

    def watch(self) -> None:
        if self.coherence.replicas is not None:
            self.coherence.replicas.watch()

    def close(self) -> None:
        self.replicas.close()
        self.database.close()
        self.memcache.close()


def new_user(url: str) -> int:
    return int(ask(url, NEW_USER, (f"u{next(_numbers)}@example.com",))[0][0])


def new_company(url: str, owner: int) -> int:
    company = int(ask(url, NEW_COMPANY, (f"c{next(_numbers)}",))[0][0])
    ask(url, NEW_OWNER, (company, owner))
    return company


def nobody() -> int | None:
    """The reader of public pages."""
    return None


def cached_nothing(worker: Worker) -> None:
    """Forget this worker's facts; those in memcached stay."""
    for cache in (worker.coherence.users, worker.coherence.companies, worker.coherence.jobs, worker.coherence.searches):
        local: Any = cache._local
        local.resize(0)
        local.resize(10_000)
