"""Prometheus metrics of the service's dependencies, and of the postings in its database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from app.alerts.digests.store import Standing as DigestStanding
from app.config import VERSION
from app.errors import Unavailable
from app.health.service import Dependencies
from app.health.shared import Shared
from app.infra.pgbouncer.console import PoolerStatistics, statistics
from app.infra.postgres.database import Database
from app.infra.secrets.key_ring import KeyRing
from app.jobs.upkeep.store import Standing
from app.tasks.administration.store import AdministrationStore
from app.tasks.administration.store import Standing as TaskStanding

_POOLER_GAUGES = {
    "pool_size": "Server connections that PgBouncer may have now",
    "clients_active": "Clients with a server connection, or idle",
    "clients_waiting": "Clients that wait for a server connection",
    "servers_active": "Server connections in use",
    "servers_idle": "Server connections idle and ready",
    "servers_used": "Server connections idle and due for a check",
    "max_wait_seconds": "How long the client that waits longest has waited",
}
_POOLER_TOTALS = {
    "queries": "Queries through PgBouncer",
    "transactions": "Transactions through PgBouncer",
    "query_seconds": "Time that PostgreSQL has worked on queries",
    "wait_seconds": "Time that clients have waited for a server connection",
}
_KID_DATE = "%Y%m%d"


@dataclass(frozen=True)
class _State:
    """`memcached` maps each server to whether it answers; `pooler` is None if PgBouncer does not answer."""

    memcached: dict[str, bool]
    pooler: PoolerStatistics | None


class DependenciesCollector(Collector):
    """A collector for a `CollectorRegistry`; the state of the dependencies is cached for one second."""

    def __init__(self, needs: Dependencies, keys: KeyRing) -> None:
        self._needs, self._keys = needs, keys
        self._shared = Shared(self._look, _State({}, None))

    def collect(self) -> Iterator[Metric]:
        """Metrics of memcached and PgBouncer as this pod sees them, of the signing keys' dates, and of the version."""
        yield InfoMetricFamily("jobfinder_build", "This version", value={"version": VERSION})
        yield self._key_dates()
        state = self._shared.value()
        up = GaugeMetricFamily("jobfinder_memcached_up", "Whether the server answers this pod", labels=["server"])
        for server, answers in state.memcached.items():
            up.add_metric([server], answers)
        yield up
        if self._needs.pooler is not None:
            yield from _pooler(state.pooler)

    def _look(self) -> _State:
        memcached = {server: ms is not None for server, ms in self._needs.memcache.ping()}
        try:
            pooler = statistics(self._needs.pooler) if self._needs.pooler else None
        except Unavailable:
            pooler = None
        return _State(memcached, pooler)

    def _key_dates(self) -> Metric:
        """The creation dates of the keys whose names begin with a date, YYYYMMDD."""
        family = GaugeMetricFamily(
            "jobfinder_signing_key_created_timestamp_seconds", "The day in the name of a token key", labels=["kid"]
        )
        for kid in self._keys.fingerprints():
            try:
                day = datetime.strptime(kid[:8], _KID_DATE).replace(tzinfo=UTC)
            except ValueError:
                continue
            family.add_metric([kid], day.timestamp())
        return family


class PostingsCollector(Collector):
    """A collector of what is true for all pods.

    `look`, and `behind_s` for the lag of events in seconds, raise Unavailable and are called at most once a second.
    """

    def __init__(self, look: Callable[[], Standing], behind_s: Callable[[], float]) -> None:
        self._look, self._behind_s = look, behind_s
        self._shared: Shared[tuple[Standing, float] | None] = Shared(self._found, None)

    def collect(self) -> Iterator[Metric]:
        """Postings by state, the lags of their expiry and of events; nothing while PostgreSQL does not answer."""
        seen = self._shared.value()
        if seen is None:
            return
        found, events_behind_s = seen
        postings = GaugeMetricFamily("jobfinder_postings", "Postings by state, counted every minute", labels=["state"])
        for state, number in found.states.items():
            postings.add_metric([state], number)
        yield postings
        lag = "For how long the posting has been due to expire that is due longest"
        yield GaugeMetricFamily("jobfinder_expiry_behind_seconds", lag, value=found.behind_s)
        held = "For how long a change has been committed that readers of events cannot see yet"
        yield GaugeMetricFamily("jobfinder_events_behind_seconds", held, value=events_behind_s)

    def _found(self) -> tuple[Standing, float] | None:
        try:
            return self._look(), self._behind_s()
        except Unavailable:
            return None


class TasksCollector(Collector):
    """A collector of the queue of tasks, the same for all pods."""

    def __init__(self, database: Database) -> None:
        self._look = AdministrationStore(database).standing
        self._shared: Shared[Sequence[TaskStanding]] = Shared(self._found, [])

    def collect(self) -> Iterator[Metric]:
        """Tasks by name; nothing while PostgreSQL does not answer."""
        waiting = GaugeMetricFamily("jobfinder_tasks_waiting", "Tasks that wait, also delayed ones", labels=["task"])
        failed = GaugeMetricFamily("jobfinder_tasks_failed", "Failed tasks that are kept", labels=["task"])
        meaning = "For how long the task has been due that is due longest"
        oldest = GaugeMetricFamily("jobfinder_tasks_oldest_seconds", meaning, labels=["task"])
        for each in self._shared.value():
            waiting.add_metric([each.name], each.waiting)
            failed.add_metric([each.name], each.failed)
            oldest.add_metric([each.name], each.oldest_s)
        yield from (waiting, failed, oldest)

    def _found(self) -> Sequence[TaskStanding]:
        try:
            return self._look()
        except Unavailable:
            return []


class AlertsCollector(Collector):
    """A collector of the alerts of saved searches, the same for all pods; both functions raise Unavailable."""

    def __init__(self, matching_behind_s: Callable[[], float], digests: Callable[[], DigestStanding]) -> None:
        self._matching_behind_s, self._digests = matching_behind_s, digests
        self._shared: Shared[tuple[float, DigestStanding] | None] = Shared(self._found, None)

    def collect(self) -> Iterator[Metric]:
        """How far matching and digests are behind; nothing while PostgreSQL does not answer."""
        found = self._shared.value()
        if found is not None:
            matching_s, digests = found
            meaning = "For how long the change has been waiting that is matched next, if saved searches alert anybody"
            yield GaugeMetricFamily("jobfinder_matching_behind_seconds", meaning, value=matching_s)
            meaning = "For how long the account has been due whose digest is made next"
            yield GaugeMetricFamily("jobfinder_digests_behind_seconds", meaning, value=digests.due_s)
            meaning = "The age of the oldest digest that is not sent yet"
            yield GaugeMetricFamily("jobfinder_digests_unsent_seconds", meaning, value=digests.unsent_s)

    def _found(self) -> tuple[float, DigestStanding] | None:
        try:
            return self._matching_behind_s(), self._digests()
        except Unavailable:
            return None


class FeedsCollector(Collector):
    """A collector of imports, the same for all pods; `look` counts sources by state, and raises Unavailable."""

    def __init__(self, look: Callable[[], Mapping[str, int]]) -> None:
        self._look = look
        self._shared: Shared[Mapping[str, int]] = Shared(self._found, {})

    def collect(self) -> Iterator[Metric]:
        """Sources by what became of their latest run; nothing while PostgreSQL does not answer."""
        meaning = "Sources of postings by what became of their latest full feed"
        feeds = GaugeMetricFamily("jobfinder_feeds", meaning, labels=["state"])
        for state, number in self._shared.value().items():
            feeds.add_metric([state], number)
        yield feeds

    def _found(self) -> Mapping[str, int]:
        try:
            return self._look()
        except Unavailable:
            return {}


def _pooler(found: PoolerStatistics | None) -> Iterator[Metric]:
    yield GaugeMetricFamily("jobfinder_pgbouncer_up", "Whether PgBouncer answers", value=found is not None)
    if found is None:
        return
    for name, meaning in _POOLER_GAUGES.items():
        yield GaugeMetricFamily(f"jobfinder_pgbouncer_{name}", meaning, value=getattr(found, name))
    for name, meaning in _POOLER_TOTALS.items():
        yield CounterMetricFamily(f"jobfinder_pgbouncer_{name}", meaning, value=getattr(found, name))
