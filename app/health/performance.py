"""The counters of all workers, as JSON and in the format of Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from app.health.schemas import Endpoint, Metrics, Performance, System
from app.health.service import timestamp
from app.infra.machine.memory import memory_usage_percent
from app.infra.metrics.counters import Counters
from app.infra.metrics.exposition import CountersCollector
from app.infra.metrics.statistics import RouteStatistics, Snapshot


class PerformanceService:
    """`gauge` updates this worker's own gauges before they are read; `others` add metrics."""

    def __init__(self, counters: Counters, gauge: Callable[[], None], *others: Collector) -> None:
        self._counters, self._gauge = counters, gauge
        self._registry = CollectorRegistry()
        self._registry.register(CountersCollector(counters))
        for each in others:
            self._registry.register(each)

    def metrics(self) -> Metrics:
        snapshot = self._counters.snapshot()
        endpoints = {_name(route): _endpoint(route) for route in snapshot.routes if route.count}
        return Metrics(_performance(snapshot), endpoints, _system(snapshot.uptime_seconds), timestamp())

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        self._gauge()
        return generate_latest(self._registry)


def _performance(snapshot: Snapshot) -> Performance:
    total = snapshot.total
    hits, misses = snapshot.counters["cache_hits"], snapshot.counters["cache_misses"]
    return Performance(
        request_count=total.count,
        avg_response_time=_ms(total.average_seconds),
        error_rate=_percent(total.errors, total.count),
        cache_hit_rate=_percent(hits, hits + misses),
        cache_hits=hits,
        cache_misses=misses,
    )


def _endpoint(route: RouteStatistics) -> Endpoint:
    p50, p99 = route.percentile(0.5), route.percentile(0.99)
    return Endpoint(route.count, _ms(route.average_seconds), _ms(p50), _ms(p99), route.errors)


def _name(route: RouteStatistics) -> str:
    return f"{route.method} {route.template}" if route.template else "unmatched"


def _system(seconds: float) -> System:
    minutes = int(seconds) // 60
    uptime = f"{minutes // 1440}d {minutes // 60 % 24}h {minutes % 60}m"
    return System(round(memory_usage_percent(), 1), uptime, int(seconds))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _percent(part: int, whole: int) -> float:
    return round(100.0 * part / whole, 2) if whole else 0.0
