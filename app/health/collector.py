"""Prometheus metrics of the service's dependencies, and of the postings in its database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from app.config import VERSION
from app.errors import Unavailable
from app.health.service import Dependencies
from app.health.shared import Shared
from app.infra.pgbouncer.console import PoolerStatistics, statistics
from app.infra.secrets.key_ring import KeyRing
from app.jobs.upkeep.store import Standing

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
    """A collector of what is true for all pods; `look` raises Unavailable, and is called at most once a second."""

    def __init__(self, look: Callable[[], Standing]) -> None:
        self._look = look
        self._shared: Shared[Standing | None] = Shared(self._found, None)

    def collect(self) -> Iterator[Metric]:
        """Postings by state, and the lag of their expiry; nothing while PostgreSQL does not answer."""
        found = self._shared.value()
        if found is None:
            return
        postings = GaugeMetricFamily("jobfinder_postings", "Postings by state, counted every minute", labels=["state"])
        for state, number in found.states.items():
            postings.add_metric([state], number)
        yield postings
        lag = "For how long the posting has been due to expire that is due longest"
        yield GaugeMetricFamily("jobfinder_expiry_behind_seconds", lag, value=found.behind_s)

    def _found(self) -> Standing | None:
        try:
            return self._look()
        except Unavailable:
            return None


def _pooler(found: PoolerStatistics | None) -> Iterator[Metric]:
    yield GaugeMetricFamily("jobfinder_pgbouncer_up", "Whether PgBouncer answers", value=found is not None)
    if found is None:
        return
    for name, meaning in _POOLER_GAUGES.items():
        yield GaugeMetricFamily(f"jobfinder_pgbouncer_{name}", meaning, value=getattr(found, name))
    for name, meaning in _POOLER_TOTALS.items():
        yield CounterMetricFamily(f"jobfinder_pgbouncer_{name}", meaning, value=getattr(found, name))
