"""The shared counters as Prometheus metrics."""

import math
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.infra.metrics.counters import COUNTERS, GAUGES, Counters
from app.infra.metrics.statistics import RouteStatistics

# Index of 5xx, exported also at 0: rate() would miss the failures with which a new series starts.
_FAILURES = 5


class CountersCollector(Collector):
    """Collector for a `CollectorRegistry`; routes are labelled by their template, never by the raw path."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """The sums over all workers, and gauges for each of them."""
        snapshot = self._counters.snapshot()
        used = [route for route in snapshot.routes if route.count]
        yield _requests(used)
        yield _durations(used)
        for name, total in snapshot.counters.items():
            yield CounterMetricFamily(f"jobfinder_{name}", COUNTERS.get(name, name), value=total)
        for name, values in snapshot.gauges.items():
            gauge = GaugeMetricFamily(f"jobfinder_{name}", GAUGES.get(name, name), labels=["worker"])
            for slot, value in values.items():
                gauge.add_metric([str(slot)], value)
            yield gauge
        yield GaugeMetricFamily("jobfinder_uptime_seconds", "Time since the start", value=snapshot.uptime_seconds)


def _requests(routes: list[RouteStatistics]) -> Metric:
    family = CounterMetricFamily("jobfinder_http_requests", "HTTP requests", labels=["method", "route", "status"])
    for route in routes:
        for number, count in enumerate(route.statuses, 1):
            if count or number == _FAILURES:
                family.add_metric([route.method, route.template, f"{number}xx"], count)
    return family


def _durations(routes: list[RouteStatistics]) -> Metric:
    family = HistogramMetricFamily(
        "jobfinder_http_request_duration_seconds", "Time to answer", labels=["method", "route"]
    )  # fmt: skip
    for route in routes:
        buckets = [(_spell(bound), float(number)) for bound, number in route.cumulative_buckets()]
        family.add_metric([route.method, route.template], buckets, route.seconds)
    return family


def _spell(bound: float) -> str:
    return str(bound) if math.isfinite(bound) else "+Inf"
