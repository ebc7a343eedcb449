"""Metrics and probes of the realtime gateway, on its own port."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

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
}
ENDS = (0, 1008, 1012, 1013, 4401)
REFUSALS = (401, 429, 503)
"""These are shown before they happen, so that rates see the first one."""


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
        hub = desk.hub
        for name, meaning, value in (
            ("connections", "Connections that are open", desk.open),
            ("streams", "Connections that get events", len(hub.channels)),
            ("connections_most", "The most connections of this process", desk.most),
            ("adrift", "Whether PostgreSQL is asked before each sending", hub.leash.adrift and bool(hub.channels)),
            ("behind_seconds", "Time since events were last read", time.monotonic() - hub.read_at),
        ):
            yield GaugeMetricFamily(f"jobfinder_realtime_{name}", meaning, value=float(value))
        for name, meaning in TOTALS.items():
            yield CounterMetricFamily(f"jobfinder_realtime_{name}", meaning, value=hub.counts[name])
        yield _by_code("ends", "Connections that ended, by close code; 0: by the client", ENDS, hub.ends)
        yield _by_code("refused", "Requests and clients refused, by HTTP status", REFUSALS, hub.refusals)
        yield from process_metrics(self._parts.tuning, self._parts.database)


def _by_code(name: str, meaning: str, expected: Iterable[int], numbers: Mapping[int, int]) -> Metric:
    family = CounterMetricFamily(f"jobfinder_realtime_{name}", meaning, labels=["code"])
    for code in sorted({*expected, *numbers}):
        family.add_metric([str(code)], numbers.get(code, 0))
    return family
