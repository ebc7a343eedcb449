"""The shared counters as Prometheus metrics."""

import math
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.infra.metrics.counters import (
    COUNTERS,
    FACT_COUNTERS,
    FACT_KINDS,
    GAUGES,
    REPLICA_COUNTERS,
    REPLICA_GAUGES,
    SERVERS,
    Counters,
    counter_of,
)
from app.infra.metrics.statistics import RouteStatistics, Snapshot

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
        yield _searches(snapshot.searches)
        operated = [each for each in snapshot.operations if each.count]
        yield _operations(operated)
        yield _operation_durations(operated)
        for name, total in snapshot.counters.items():
            if ":" not in name:
                yield CounterMetricFamily(f"jobfinder_{name}", COUNTERS.get(name, name), value=total)
        for name, meaning in FACT_COUNTERS.items():
            family = CounterMetricFamily(f"jobfinder_{name}", meaning, labels=["kind"])
            for kind in FACT_KINDS:
                family.add_metric([kind], snapshot.counters[counter_of(name, kind)])
            yield family
        yield from _replicas(snapshot)
        for name, values in snapshot.gauges.items():
            if ":" in name:
                continue
            gauge = GaugeMetricFamily(f"jobfinder_{name}", GAUGES.get(name, name), labels=["worker"])
            for slot, value in values.items():
                gauge.add_metric([str(slot)], value)
            yield gauge
        yield GaugeMetricFamily("jobfinder_uptime_seconds", "Time since the start", value=snapshot.uptime_seconds)


def _replicas(snapshot: Snapshot) -> Iterator[Metric]:
    """One series for each replica in the settings."""
    servers = SERVERS[: int(max(snapshot.gauges.get("replicas", {}).values(), default=0))]
    if not servers:
        return
    for name, meaning in REPLICA_COUNTERS.items():
        counter = CounterMetricFamily(f"jobfinder_{name}", meaning, labels=["replica"])
        for server in servers:
            counter.add_metric([server], snapshot.counters[counter_of(name, server)])
        yield counter
    for name, meaning in REPLICA_GAUGES.items():
        gauge = GaugeMetricFamily(f"jobfinder_{name}", meaning, labels=["replica", "worker"])
        for server in servers:
            for slot, value in snapshot.gauges[counter_of(name, server)].items():
                gauge.add_metric([server, str(slot)], value)
        yield gauge


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
        family.add_metric([route.method, route.template], _buckets(route), route.seconds)
    return family


def _searches(kinds: Iterable[RouteStatistics]) -> Metric:
    family = HistogramMetricFamily(
        "jobfinder_search_duration_seconds", "Time of a search, by how it was answered", labels=["kind"]
    )  # fmt: skip
    for each in kinds:
        family.add_metric([each.template], _buckets(each), each.seconds)
    return family


def _operations(operations: Iterable[RouteStatistics]) -> Metric:
    meaning = "Operations of GraphQL, by the highest status of their errors"
    family = CounterMetricFamily("jobfinder_graphql_operations", meaning, labels=["operation", "status"])
    for each in operations:
        for number, count in enumerate(each.statuses, 1):
            if count or number == _FAILURES:
                family.add_metric([each.template, f"{number}xx"], count)
    return family


def _operation_durations(operations: Iterable[RouteStatistics]) -> Metric:
    name, meaning = "jobfinder_graphql_operation_duration_seconds", "Time to answer an operation of GraphQL"
    family = HistogramMetricFamily(name, meaning, labels=["operation"])
    for each in operations:
        family.add_metric([each.template], _buckets(each), each.seconds)
    return family


def _buckets(route: RouteStatistics) -> list[tuple[str, float]]:
    return [(_spell(bound), float(number)) for bound, number in route.cumulative_buckets()]


def _spell(bound: float) -> str:
    return str(bound) if math.isfinite(bound) else "+Inf"
