"""Simulated servers for the real package: each call pauses before and after it takes effect."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.coherence import Coherence, Kind, Kinds, catalogue_key, company_key, job_key, session_key, store, user_key
from app.coherence.log import store as log_record
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.store import LogRecord
from app.coherence.publisher import CLOCK_RATE_ERROR
from app.coherence.replace_log import replace_log
from app.config import Caches, CacheTuning
from app.errors import NotFinal, Unavailable
from app.infra.memcache.client import CacheUnavailable
from app.infra.postgres import replica as places
from tests.counters import Counts
from tests.unit.coherence.model.record import SimChange, SimRecord
from tests.unit.coherence.model.scheduler import Scheduler
from tests.unit.coherence.model.wal import Seen, Wal

R = TypeVar("R")
LIVE = "live"
FAST, SLOW = 1 + CLOCK_RATE_ERROR, 1 - CLOCK_RATE_ERROR
OPEN, CLOSED, NOTHING = "open", "closed", ""
RESULT_KEYS = (catalogue_key("DE"),)
POSTING_KEYS = (catalogue_key(), catalogue_key("DE"), job_key(1))
"""What a result rests on, and what a change of posting 1 publishes."""

FATES = ("answered", "lost", "unheard", "late")


def text_kind(name: str, keys: Callable[[int], tuple[str, ...]]) -> Kind[str]:
    return Kind(name, str, str.encode, bytes.decode, lambda identifier, _: keys(identifier))


KINDS = Kinds(
    users=text_kind("user", lambda user_id: (user_key(user_id),)),
    sessions=text_kind("session", lambda session_id: (session_key(session_id), user_key(1))),
    companies=text_kind("company", lambda company_id: (company_key(company_id),)),
    jobs=text_kind("job", lambda job_id: (job_key(job_id),)),
    searches=text_kind("search", lambda _: RESULT_KEYS),
)


@dataclass(frozen=True)
class Mood:
    """The `fate` of a memcached call, the `slowness` of a query's answer, the `place` of a fact among n servers.

    `rate` is the clock rate of the next worker.
    """

    fate: Callable[[], str] = lambda: FATES[0]
    slowness: Callable[[], int] = lambda: 0
    place: Callable[[int], int] = lambda servers: servers - 1
    rate: Callable[[], float] = lambda: 1.0


class SimServer:
    """A memcached; `fate` decides each call. A late call takes effect after its caller has given up."""

    def __init__(self, scheduler: Scheduler, fate: Callable[[], str], name: str) -> None:
        self.scheduler, self.fate, self.name = scheduler, fate, name
        self.data: dict[str, bytes] = {}
        self.down = False
        self.answers_s: Iterator[float] = iter(())

    def restart(self) -> None:
        self.data = {}

    def get(self, key: str) -> bytes | None:
        return self._call(lambda data: data.get(key))

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Reads the keys in two halves, so that changes may happen in between."""
        middle = len(keys) // 2
        found = self._call(lambda data: {key: data[key] for key in keys[:middle] if key in data}) if middle else {}
        return found | self._call(lambda data: {key: data[key] for key in keys[middle:] if key in data})

    def add(self, key: str, value: bytes, ttl_s: int) -> bool:
        return self._call(lambda data: data.setdefault(key, value) is value)

    def set(self, key: str, value: bytes, ttl_s: int) -> None:
        self._call(lambda data: data.__setitem__(key, value))

    def set_all(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        """Stores the items in two halves: others may read in between, and a failure may leave the first one there."""
        values = [(key, value) for key, (value, _) in items.items()]
        middle = len(values) // 2
        if middle:
            self._call(lambda data: data.update(values[:middle]))
        self._call(lambda data: data.update(values[middle:]))

    def incr(self, key: str, by: int = 1) -> int | None:
        def effect(data: dict[str, bytes]) -> int | None:
            if key not in data:
                return None
            data[key] = b"%d" % (int(data[key]) + by)
            return int(data[key])

        return self._call(effect)

    def _call(self, effect: Callable[[dict[str, bytes]], R]) -> R:
        self.scheduler.pause()
        fate = "lost" if self.down else self.fate()
        if fate == "late":
            self._later(self.data, effect)
        if fate in ("late", "lost"):
            raise CacheUnavailable(fate)
        result = effect(self.data)
        self.scheduler.pause()
        if late_s := next(self.answers_s, 0.0):
            self.scheduler.sleep(late_s)
        if fate == "unheard":
            raise CacheUnavailable(fate)
        return result

    def _later(self, instance: dict[str, bytes], effect: Callable[[dict[str, bytes]], object]) -> None:
        """A restart closes the connections, so a late call never reaches the new instance."""

        def run() -> None:
            self.scheduler.sleep(0.02)
            if self.data is instance:
                effect(instance)

        self.scheduler.spawn(run)


class SimMemcache:
    """`place` chooses a server for each call, as workers with different lists of servers do."""

    configured = True

    def __init__(self, servers: Sequence[SimServer], place: Callable[[int], int]) -> None:
        self.primary, self._servers, self._place = servers[0], servers, place

    def get(self, key: str) -> bytes | None:
        return self._try(lambda server: server.get(key), None)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._try(lambda server: server.get_many(keys), {})

    def set_many(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        def store(server: SimServer) -> None:
            for key, (value, ttl_s) in items.items():
                server.set(key, value, ttl_s)

        self._try(store, default=None)

    def _try(self, call: Callable[[SimServer], R], default: R) -> R:
        try:
            return call(self._servers[self._place(len(self._servers))])
        except CacheUnavailable:
            return default


class Nowhere:
    """Stands for `Memcache` without servers."""

    configured = False

    def get(self, key: str) -> None: ...

    def get_many(self, keys: Any) -> dict[str, bytes]:
        return {}

    def set_many(self, items: Any) -> None: ...


class SimDatabase:
    """Whether session 1 is live and posting 1 open, the versions of user 1 and company 1, and the outbox."""

    def __init__(self, scheduler: Scheduler, slowness: Callable[[], int]) -> None:
        self.scheduler, self._slowness = scheduler, slowness
        self.live, self.version, self.company_version = True, 1, 1
        self.posting, self.posting_version = CLOSED, 1
        self.outbox: dict[int, tuple[str, int]] = {}
        self.reads = 0
        self.answer_s = 0.0
        self.down = False
        self.record = SimRecord(scheduler)
        self._last_id = 0
        self.wal = Wal(self.present)
        self.places_s: Iterator[float] = iter(())

    def present(self) -> Seen:
        """What is committed now."""
        return Seen(self.live, self.version, self.company_version, self.posting)

    def read_session(self, session_id: int) -> str | None:
        return self._read(lambda seen: LIVE if seen.live else None)

    def read_user(self, user_id: int) -> str | None:
        return self._read(lambda seen: str(seen.version) if seen.version else None)

    def read_company(self, company_id: int) -> str | None:
        return self._read(lambda seen: str(seen.company_version))

    def read_job(self, job_id: int) -> str | None:
        return self._read(lambda seen: seen.posting)

    def read_result(self, number: int) -> str | None:
        """The ids that a search finds: an empty text where posting 1 is not open."""
        return self._read(lambda seen: "1" if seen.posting == OPEN else NOTHING)

    def read_users(self, user_ids: Sequence[int]) -> dict[int, str]:
        value = self.read_user(1)
        return {} if value is None else dict.fromkeys(user_ids, value)

    def commit(self, change: Callable[[], None], key: str) -> str:
        """Commit `change` with its outbox row; return the transaction id."""
        self.scheduler.pause()
        change()
        self.wal.write()
        self._last_id += 1
        self.outbox[self._last_id] = (key, self.scheduler.now_ns)
        self.scheduler.pause()
        return str(self._last_id)

    def all(self, statement: str, *params: Any) -> list[tuple[int, str]]:
        assert statement == store.LIST_OLDER_THAN
        counter, seconds, limit = params
        return self._read(lambda _: self._older_than(counter, self.scheduler.now_ns - seconds * 1e9)[:limit])

    def one(self, statement: str, *params: Any) -> tuple[Any, ...]:
        self._call()
        if statement in (store.DELETE, store.DELETE_OF):
            return self._delete(*params)
        if statement in (places.FIND_PLACE, places.SET_LINE):
            answer = self.wal.ask(statement, params)
            if late_s := next(self.places_s, 0.0):
                self.scheduler.sleep(late_s)
            return answer
        found = self.record.ask(statement, params)
        if statement == log_record.CONFIRM:
            self.scheduler.pause()
        return found

    run = one

    def transaction(self) -> AbstractContextManager[SimChange]:
        self._call()
        return self.record.transaction()

    def _call(self) -> None:
        self.scheduler.pause()
        if self.down:
            raise Unavailable("PostgreSQL is down")

    def _delete(self, counter: str, which: Sequence[int] | str | None) -> tuple[bool]:
        agreed = self.record.columns.counter == counter
        for row in ([int(which or 0)] if which is None or isinstance(which, str) else which) if agreed else ():
            self.outbox.pop(row, None)
        return (agreed,)

    def _older_than(self, counter: str, time_ns: float) -> list[tuple[int, str]]:
        if self.record.columns.counter != counter:
            return []
        return [(row_id, key) for row_id, (key, created_ns) in self.outbox.items() if created_ns < time_ns]

    def _read(self, see: Callable[[Seen], R]) -> R:
        on_replica = places.reading.get()
        if on_replica is not None:
            return see(on_replica.one("")[0])  # type: ignore[index]
        self._call()
        self.reads += 1
        seen = see(self.present())
        for _ in range(1 + self._slowness()):
            self.scheduler.pause()
        if self.answer_s:
            self.scheduler.sleep(self.answer_s)
        return seen


class World:
    """Workers, the database, and what responses have promised to clients; `violations` lists broken promises."""

    def __init__(self, scheduler: Scheduler, mood: "Mood", tuning: Caches) -> None:
        self.scheduler = scheduler
        self.servers = [SimServer(scheduler, mood.fate, f"server {number}") for number in range(2)]
        self.database = SimDatabase(scheduler, mood.slowness)
        self.violations: list[str] = []
        self.ended = False
        self.least_version = self.least_company = self.least_posting = 1
        self.answers = 0
        self._place, self._rate, self._tuning = mood.place, mood.rate, tuning
        self._era = 0
        self.workers: list[Coherence] = []

    def sessions_until(self, expires_at: float) -> Coherence:
        """A worker for which sessions expire at `expires_at`."""
        sessions = replace(KINDS.sessions, expires_at=lambda _: expires_at)
        return self.start_worker(replace(KINDS, sessions=sessions))

    def start_worker(self, kinds: Kinds = KINDS, servers: Sequence[int] = (0, 1)) -> Coherence:
        """Start a worker with `servers`. Eras begin at falling numbers, so old positions are above new ones."""
        chosen = [self.servers[each] for each in servers]
        memcache: Any = SimMemcache(chosen, self._place) if chosen else Nowhere()
        database: Any = self.database
        counters: Any = Counts()
        worker = Coherence(memcache, database, counters, self._tuning, kinds, self.scheduler.clock(self._rate()))
        if worker.agreement.log is not None:
            worker.agreement.log._random_bits = self._begin_era
        self.workers.append(worker)
        return worker

    def change_log(self, to: str) -> None:
        """Do what `python -m app log-identity` does; no effect if the former log does not answer."""
        database: Any = self.database

        def open_log(name: str) -> ChangeLog:
            return ChangeLog(next(each for each in self.servers if each.name == name), self._begin_era)

        with suppress(Unavailable):
            replace_log(LogRecord(database), to, open_log, clock=self.scheduler.clock(self._rate()))

    def check_session(self, worker: Coherence) -> None:
        """A request with the token of session 1; it must be refused if it starts after the 204 of the logout."""
        ended = self.ended
        found = worker.sessions.load(1, self.database.read_session)
        self.answers += 1
        if ended and found is not None:
            self.violations.append("accepted after the 204")
        if found is None and self.database.live:
            self.violations.append("a live session was refused")

    def read_profile(self, worker: Coherence) -> None:
        least = self.least_version
        self._judge(worker.users.load(1, self.database.read_user), least)

    def read_batch(self, worker: Coherence) -> None:
        least = self.least_version
        self._judge(worker.users.load_many((1, 1), self.database.read_users)[1], least)

    def log_out(self, worker: Coherence) -> None:
        xid = self.database.commit(lambda: setattr(self.database, "live", False), session_key(1))
        self._end(worker, session_key(1), xid)

    def log_out_everywhere(self, worker: Coherence) -> None:
        xid = self.database.commit(lambda: setattr(self.database, "live", False), user_key(1))
        self._end(worker, user_key(1), xid)

    def edit_profile(self, worker: Coherence) -> None:
        """An edit that could not be published is answered too, but its answer promises nothing here."""
        versions: list[int] = []

        def change() -> None:
            self.database.version += 1
            versions.append(self.database.version)

        xid = self.database.commit(change, user_key(1))
        before = unpublished(worker)
        try:
            worker.final([user_key(1)], xid, security=False)
        except NotFinal:
            return
        if unpublished(worker) == before:
            self.least_version = max(self.least_version, *versions)

    def read_company(self, worker: Coherence) -> None:
        least = self.least_company
        self._judge(worker.companies.load(1, self.database.read_company), least)

    def rename_company(self, worker: Coherence) -> None:
        """An answer promises the new name in every case, because searches show it."""
        versions: list[int] = []

        def change() -> None:
            self.database.company_version += 1
            versions.append(self.database.company_version)

        xid = self.database.commit(change, company_key(1))
        with suppress(NotFinal):
            worker.final([catalogue_key(), company_key(1)], xid, security=True)
            self.least_company = max(self.least_company, *versions)

    def search(self, worker: Coherence) -> None:
        """A search that finds posting 1 while it is open: the result is one fact, what it shows of the posting another.

        It is judged where its state was acknowledged before, and is the same afterwards.
        """
        acknowledged = self.least_posting
        found = worker.searches.load(1, self.database.read_result)
        shown = found != NOTHING and worker.jobs.load(1, self.database.read_job) == OPEN
        self.answers += 1
        state = self.database.posting
        if acknowledged == self.database.posting_version and shown != (state == OPEN):
            self.violations.append(f"a posting that is {state} was {'' if shown else 'not '}found")

    def search_stale(self, worker: Coherence) -> None:
        """A search that may use a result of any age: what was closed before it began must not be shown."""
        acknowledged = self.least_posting
        found, _ = worker.searches.load_aged(1, self.database.read_result, lambda _: True)
        shown = found != NOTHING and worker.jobs.load(1, self.database.read_job) == OPEN
        self.answers += 1
        closed = self.database.posting == CLOSED
        if acknowledged == self.database.posting_version and closed and shown:
            self.violations.append("a posting that is closed was shown by a stale result")

    def open_posting(self, worker: Coherence) -> None:
        self._change_posting(worker, OPEN)

    def close_posting(self, worker: Coherence) -> None:
        self._change_posting(worker, CLOSED)

    def _change_posting(self, worker: Coherence, state: str) -> None:
        versions: list[int] = []

        def change() -> None:
            self.database.posting, self.database.posting_version = state, self.database.posting_version + 1
            versions.append(self.database.posting_version)

        xid = self.database.commit(change, job_key(1))
        with suppress(NotFinal):
            worker.final(POSTING_KEYS, xid, security=True)
            self.least_posting = max(self.least_posting, *versions)

    def change_something_else(self, worker: Coherence) -> None:
        with suppress(NotFinal):
            worker.final([user_key(2)], None, security=False)

    def _end(self, worker: Coherence, key: str, xid: str) -> None:
        try:
            worker.final([key], xid, security=True)
        except NotFinal:
            return
        self.ended = True

    def _judge(self, found: str | None, least: int) -> None:
        self.answers += 1
        if found is None or int(found) < least:
            self.violations.append(f"version {found} after {least} was acknowledged")

    def _begin_era(self, bits: int) -> int:
        self._era += 1
        return (1000 - self._era) * 10_000


def unpublished(worker: Coherence) -> int:
    """How many writes of the worker could not be published."""
    counters: Any = worker._publisher._counters
    return int(counters.get("changes_unpublished", 0))


SMALL = Caches(user=CacheTuning(10, 3600), blacklist=CacheTuning(10, 3600))
