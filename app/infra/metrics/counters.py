"""Statistics of all workers of a pod, in shared memory.

Each worker has a slot of its own, so counting takes no lock: CPython 3.11 does not switch threads between the read
and the write of `cells[i] += n`. The next worker that gets the slot of a dead one continues its counters.
"""

import fcntl
import mmap
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from app.infra.metrics.names import SharedNames
from app.infra.metrics.statistics import BUCKETS, RouteStatistics, Snapshot

COUNTERS: Mapping[str, str] = {
    "cache_hits": "Reads answered without PostgreSQL",
    "cache_misses": "Reads that had to ask PostgreSQL",
    "lease_looks": "Looks at the log of changes",
    "lease_failures": "Looks that found no lease",
    "histories_started": "Times that the known changes had to be forgotten",
    "changes_published": "Changes published to the log",
    "changes_unpublished": "Changes that could not be published in time",
    "outbox_drained": "Changes published from the outbox later",
}
GAUGES: Mapping[str, str] = {
    "tuning_generation": "Generation of the tuning file that the worker applies",
    "tuning_refused": "Tuning files that the worker has refused",
    "log_refused": "Whether the worker refuses to write: the database is used with another log of changes",
    "log_changing": "Whether the log of changes is being changed, and none is used meanwhile",
    "resident_bytes": "Resident memory",
    "database_connections_in_use": "Database connections in use",
    "database_connections_idle": "Database connections idle",
    "database_waiting": "Requests that wait for a database connection",
    "database_waited_seconds": "Time that requests have waited for a database connection",
    "database_timeouts": "Requests that waited in vain for a database connection",
    "users_cached": "Users in the in-process cache",
    "sessions_cached": "Sessions in the in-process cache",
    "companies_cached": "Companies in the in-process cache",
    "jobs_cached": "Postings in the in-process cache",
    "searches_cached": "Results of searches in the in-process cache",
    "sessions_ended": "Ended sessions that are remembered in this process",
    "replicas": "Replicas in the worker's settings",
    "answers_entries": "Entries of the answers that the server keeps: pages, and tokens that may have them",
    "answers_bytes": "Memory of the answers that the server keeps",
    "answers_given": "Requests answered from what the server keeps",
    "answers_missed": "Requests that the server would have answered if it had kept the answer",
    "answers_stale": "Reads from clients that the server left to the application because it had no lease",
    "answers_odd": "Requests in a form that the server never answers by itself",
    "answers_kept": "Answers that the server has begun to keep",
    "answers_evicted": "Entries that had to make room for others",
    "answers_removed": "Entries removed because something had changed",
    "answers_refused_proof": "Answers not kept because something that they rest on is not proven",
    "answers_refused_look": "Answers not kept because a look came between",
    "answers_refused_forgotten": "Answers not kept because settings, keys or a session changed meanwhile",
    "answers_refused_form": "Answers not kept because of their status, headers or length",
    "answers_refused_size": "Answers not kept because they are too large for the memory",
}

FACT_KINDS = ("user", "session", "company", "job", "search")
FACT_COUNTERS: Mapping[str, str] = {
    "fact_hits": "Facts of each kind found without PostgreSQL",
    "fact_misses": "Facts of each kind read from PostgreSQL",
}
REPLICAS_MOST = 8
SERVERS = tuple(str(number) for number in range(1, REPLICAS_MOST + 1))
"""The labels of replicas: their places in `DATABASE_REPLICA_URLS`."""
REPLICA_COUNTERS: Mapping[str, str] = {
    "replica_reads": "Reads answered by each replica",
    "replica_refused": "Reads of each replica that the primary had to repeat: too old, or something was not there",
    "replica_failures": "Reads of each replica that failed, and that the primary answered",
}
REPLICA_GAUGES: Mapping[str, str] = {
    "replica_used": "Whether the worker reads from each replica",
    "replica_lag_seconds": "How far each replica is behind, as the worker sees it; -1 where it does not know",
}
_SUMS = {"cache_hits": "fact_hits", "cache_misses": "fact_misses"}
"""Counters of all kinds together; what is added to them directly counts, too."""

SEARCH_KINDS = ("cached", "stale", "walk", "gin", "slices", "distance", "counted", "empty")
"""How a search was answered: from a result that holds, or may be used longer; by one of the plans of a page; with its
totals or facets counted; or without asking the index, because no posting can match."""

REFUSED, UNNAMED = "none", "unnamed"
OPERATIONS_MAX = 30
"""Names of GraphQL's operations that are counted by themselves, beside the fixed ones."""

_PID, _EVER_USED, _NAMED = 0, 1, 2
_STATUS_CLASSES = 5
_SUM = _STATUS_CLASSES
_FIRST_BUCKET = _SUM + 1
PLACES = (_SUM, _FIRST_BUCKET)
"""Of the sum of seconds and of the first bucket, after the place of a route."""
_WIDTH = _FIRST_BUCKET + len(BUCKETS) + 1


class Counters:
    """Created in the master before it forks; each worker then calls `claim`. Before that, slot 0 is used.

    `cells` is this worker's slot; `claim` replaces it.
    """

    def __init__(
        self, routes: Sequence[tuple[str, str]], slots: int, counters: Sequence[str], gauges: Sequence[str]
    ) -> None:
        self.routes, self._slots = tuple(routes), slots
        self.started_at = time.time()
        self._counters = {name: _NAMED + number for number, name in enumerate([*counters, *_by_kind()])}
        gauges = [*gauges, *_by_server(REPLICA_GAUGES)]
        self._gauges = {name: _NAMED + len(self._counters) + number for number, name in enumerate(gauges)}
        self._routes_at = _NAMED + len(self._counters) + len(gauges)
        self._searches = {kind: number for number, kind in enumerate(SEARCH_KINDS, len(self.routes))}
        self._operations = SharedNames((REFUSED, UNNAMED, "other"), OPERATIONS_MAX)
        self._operations_from = len(self.routes) + len(SEARCH_KINDS)
        self._length = self._routes_at + _WIDTH * (self._operations_from + len(self._operations))
        self._file = os.memfd_create("counters", os.MFD_CLOEXEC)
        os.ftruncate(self._file, 8 * self._length * slots)
        self._all = memoryview(mmap.mmap(self._file, 8 * self._length * slots)).cast("d")
        self._use(0)

    @classmethod
    def create(
        cls,
        routes: Sequence[tuple[str, str]],
        slots: int,
        counters: Sequence[str] = tuple(COUNTERS),
        gauges: Sequence[str] = tuple(GAUGES),
    ) -> Self:
        """`routes` are (method, template), `record` takes their index; `slots` is how many workers can exist."""
        return cls(routes, slots, counters, gauges)

    def claim(self, slot: int | None = None) -> int:
        """Take `slot`, or the first one without a living worker, for this process; returns its number."""
        with self._locked():
            taken = self._free_slot() if slot is None else slot
            self._use(taken)
            self.cells[_PID] = os.getpid()
            for at in self._gauges.values():
                self.cells[at] = 0.0
        return taken

    def record(self, route: int, status: int, seconds: float) -> None:
        """Count one request of route number `route`. It takes 0.4 us."""
        cells, at = self.cells, self._routes_at + _WIDTH * route
        cells[at - 1 + status // 100] += 1.0
        cells[at + _SUM] += seconds
        cells[at + _FIRST_BUCKET + bisect_left(BUCKETS, seconds)] += 1.0

    def searched(self, kind: str, seconds: float) -> None:
        """Count one search of a kind in SEARCH_KINDS; raises KeyError for another one."""
        self.record(self._searches[kind], 200, seconds)

    def operated(self, name: str | None, status: int, seconds: float) -> None:
        """Count one operation of GraphQL; `name` is the client's, or REFUSED for a request that is not run.

        `status` is the highest one of its errors, 200 without errors.
        """
        self.record(self._operations_from + self._operations.number(name or UNNAMED), status, seconds)

    def places_of_search(self, kind: str) -> tuple[int, int]:
        """The places in `cells` to which a search of this kind adds 1 if it takes no time."""
        at = self.place_of_route(self._searches[kind])
        return at + 1, at + _FIRST_BUCKET

    def add(self, name: str, n: int = 1) -> None:
        """Add to one of the counters; raises KeyError for an unknown name."""
        self.cells[self._counters[name]] += n

    def place(self, name: str) -> int:
        """The index of a counter in `cells`, for hot paths; raises KeyError for an unknown name."""
        return self._counters[name]

    def gauge(self, name: str, value: float) -> None:
        """Set this worker's value of one of the gauges; raises KeyError for an unknown name."""
        self.cells[self._gauges[name]] = value

    def place_of_route(self, route: int) -> int:
        """The place in `cells` where `record` begins for route number `route`."""
        return self._routes_at + _WIDTH * route

    def snapshot(self) -> Snapshot:
        """The sums over all workers, dead ones included, and the gauges of the living ones."""
        slots = [self._slot(number) for number in range(self._slots)]
        sums = [sum(column) for column in zip(*(slot for slot in slots if slot[_EVER_USED]), strict=True)]
        routes = [self._distribution(named, number, sums) for number, named in enumerate(self.routes)]
        living = {number: slot for number, slot in enumerate(slots) if slot[_EVER_USED] and _lives(int(slot[_PID]))}
        gauges = {name: {number: slot[at] for number, slot in living.items()} for name, at in self._gauges.items()}
        counters = {name: int(sums[at]) for name, at in self._counters.items()}
        for name, kinds in _SUMS.items():
            if name in counters:
                counters[name] += sum(counters[counter_of(kinds, kind)] for kind in FACT_KINDS)
        searches = [self._distribution(("", kind), number, sums) for kind, number in self._searches.items()]
        named = enumerate(self._operations.all(), self._operations_from)
        operations = [self._distribution(("", name), number, sums) for number, name in named if name]
        return Snapshot(routes, counters, gauges, time.time() - self.started_at, searches, operations)

    def _distribution(self, named: tuple[str, str], number: int, sums: Sequence[float]) -> RouteStatistics:
        at = self._routes_at + _WIDTH * number
        cells = sums[at : at + _WIDTH]
        statuses = tuple(int(cell) for cell in cells[:_STATUS_CLASSES])
        return RouteStatistics(*named, statuses, cells[_SUM], tuple(map(int, cells[_FIRST_BUCKET:])))

    def _use(self, number: int) -> None:
        self.cells = self._slot(number)
        self.cells[_EVER_USED] = 1.0

    def _slot(self, number: int) -> "memoryview[float]":
        return self._all[number * self._length : (number + 1) * self._length]

    def _free_slot(self) -> int:
        """The first slot without a living worker; when all are taken, the last one is shared."""
        for number in range(self._slots - 1):
            if not _lives(int(self._slot(number)[_PID])):
                return number
        return self._slots - 1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def counter_of(name: str, kind: str) -> str:
    """The counter `name` of FACT_COUNTERS for facts of one kind, or of REPLICA_COUNTERS for one server."""
    return f"{name}:{kind}"


def _by_kind() -> list[str]:
    facts = [counter_of(name, kind) for name in FACT_COUNTERS for kind in FACT_KINDS]
    return [*facts, *_by_server(REPLICA_COUNTERS)]


def _by_server(names: Iterable[str]) -> list[str]:
    return [counter_of(name, server) for name in names for server in SERVERS]


def _lives(pid: int) -> bool:
    """Whether a process `pid` exists; False for 0."""
    if pid == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
