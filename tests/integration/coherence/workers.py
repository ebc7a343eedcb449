"""Workers on real memcached servers, and an in-memory database with which stale reads are detected."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from app.coherence import Coherence, Kind, Kinds, catalogue_key, company_key, job_key, session_key, store, user_key
from app.coherence.log import store as log_record
from app.config import Caches
from app.infra.memcache.client import Memcache
from tests.counters import Counts

KINDS = Kinds(
    users=Kind("user", str, str.encode, bytes.decode, lambda user_id, _: (user_key(user_id),)),
    sessions=Kind(
        "session", str, str.encode, bytes.decode, lambda session_id, _: (session_key(session_id), user_key(1))
    ),
    companies=Kind("company", str, str.encode, bytes.decode, lambda company_id, _: (company_key(company_id),)),
    jobs=Kind("job", str, str.encode, bytes.decode, lambda job_id, _: (job_key(job_id),)),
    searches=Kind("search", str, str.encode, bytes.decode, lambda _, __: (catalogue_key(),)),
)
TIMEOUT_MS = 250
COUNTER = "ticket"


class Truth:
    """An in-memory database of user versions with an outbox; `acknowledged` has the versions confirmed to clients."""

    def __init__(self, users: Sequence[int]) -> None:
        self._lock = threading.Lock()
        self.versions = dict.fromkeys(users, 1)
        self.acknowledged = dict.fromkeys(users, 1)
        self.outbox: dict[int, str] = {}
        self.reads = 0
        self._rows = 0
        self._log: str | None = None

    def read(self, user_id: int) -> str:
        with self._lock:
            self.reads += 1
            version = self.versions[user_id]
        time.sleep(0.0005)
        return str(version)

    def commit(self, user_id: int) -> tuple[int, str]:
        """Commit a new version with one outbox row; returns (version, transaction id)."""
        with self._lock:
            self.versions[user_id] += 1
            self._rows += 1
            self.outbox[self._rows] = user_key(user_id)
            return self.versions[user_id], str(self._rows)

    def all(self, statement: str, *params: Any) -> list[tuple[int, str]]:
        assert statement == store.LIST_OLDER_THAN
        with self._lock:
            return list(self.outbox.items())

    def one(self, statement: str, *params: Any) -> tuple[Any, ...]:
        if statement not in (store.DELETE, store.DELETE_OF):
            return (COUNTER,) if statement == log_record.FIND_COUNTER else (self._log, None, COUNTER, True)
        counter, which = params
        assert counter == COUNTER
        with self._lock:
            for row in which if statement == store.DELETE else [int(which)]:
                self.outbox.pop(row, None)
        return (True,)

    def run(self, statement: str, *params: Any) -> None:
        assert statement == log_record.RECORD
        self._log = params[0]


def start_worker(truth: Truth, servers: Sequence[str], lease_ms: int = 50) -> Coherence:
    database: Any = truth
    counters: Any = Counts()
    memcache = Memcache(tuple(servers), TIMEOUT_MS)
    return Coherence(memcache, database, counters, Caches(lease_ms=lease_ms), KINDS)


def count(worker: Coherence, name: str) -> int:
    counters: Any = worker._publisher._counters
    return int(counters.get(name, 0))


class Traffic:
    """Threads that read in a loop while `edit` writes; `too_old` lists reads older than an acknowledged version."""

    def __init__(self, truth: Truth, workers: list[Coherence], threads: int) -> None:
        self.truth, self.workers = truth, workers
        self.reads = 0
        self.too_old: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def edit(self, user_id: int, worker: Coherence) -> None:
        version, xid = self.truth.commit(user_id)
        worker.final([user_key(user_id)], xid, security=True)
        self.truth.acknowledged[user_id] = version

    def after_reads(self, number: int, timeout_s: float = 30) -> None:
        """Return when that many more reads have been made."""
        goal = self.reads + number
        eventually(lambda: self.reads >= goal or bool(self.too_old), timeout_s)

    def _read(self, number: int) -> None:
        users = list(self.truth.versions)
        while not self._stop.is_set():
            worker = self.workers[number % len(self.workers)]
            user_id = users[self.reads % len(users)]
            least = self.truth.acknowledged[user_id]
            found = worker.users.load(user_id, self.truth.read)
            if found is None or int(found) < least:
                self.too_old.append(f"user {user_id}: {found} after {least}")
            self.reads += 1


def eventually(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.002)
