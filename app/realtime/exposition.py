"""Metrics and probes of the realtime gateway, on its own port."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.health.processes import PROMETHEUS, Answer, probed, process_metrics
from app.realtime.front import Desk
from app.realtime.parts import Parts

TOTALS = {
    "sent": "Events handed to connections",
    "resumed": "Connections that resumed after an event",
    "resynced": "Connections that could not resume",
    "refused": "Requests refused",
}


class Exposition(Collector):
    """`unready` returns why no connection should be sent here, or nothing."""

    def __init__(self, parts: Parts, desk: Callable[[], Desk], unready: Callable[[], str]) -> None:
        self._parts, self._desk, self._unready = parts, desk, unready
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def answer(self, path: str) -> Answer | None:
        """The answer to a probe, None for every other path."""
        if path == "/metrics":
            return 200, PROMETHEUS, generate_latest(self._registry)
        if path == "/health/live":
            return probed("")
        if path == "/health/ready":
            return probed(self._unready())
        return None

    def collect(self) -> Iterator[Metric]:
        """The state of this process now."""
        desk = self._desk()
        for name, meaning, value in (
            ("realtime_connections", "Connections that are open", float(desk.open)),
            ("realtime_streams", "Connections that get events", float(len(desk.hub.channels))),
            ("realtime_connections_most", "The most connections of this process", float(desk.most)),
            ("realtime_adrift", "Whether PostgreSQL is asked before each sending", float(desk.hub.leash.adrift)),
        ):
            yield GaugeMetricFamily(f"jobfinder_{name}", meaning, value=value)
        for name, meaning in TOTALS.items():
            yield CounterMetricFamily(f"jobfinder_realtime_{name}", meaning, value=desk.hub.counts[name])
        meaning = "Connections that ended, by close code; 0: by the client"
        ends = CounterMetricFamily("jobfinder_realtime_ends", meaning, labels=["code"])
        for code, number in sorted(desk.hub.ends.items()):
            ends.add_metric([str(code)], number)
        yield ends
        yield from process_metrics(self._parts.tuning, self._parts.database)
