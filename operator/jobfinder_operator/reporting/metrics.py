"""The operator's own metrics for Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobfinder_operator.config import EVERY_ADDRESS

_PREFIX = "jobfinder_operator_"


@dataclass(frozen=True)
class PodSample:
    """Of one pod: the largest pool it may have, its connections, and clients that wait for one."""

    pod: str
    cap: int
    used: int
    waiting: int


@dataclass(frozen=True)
class ServerSample:
    """One memcached server, in bytes and reads since its start."""

    server: str
    up: bool
    used_bytes: int = 0
    limit_bytes: int = 0
    hits: int = 0
    misses: int = 0


@dataclass(frozen=True)
class ReplicaSample:
    """The connections of all pods to one read replica."""

    replica: str
    budget: int
    granted: int
    used: int


@dataclass(frozen=True)
class ConfigSample:
    """What the last round saw of one JobFinderConfig."""

    budget: int
    granted: int
    free: int
    used: int
    feasible: bool
    pods: tuple[PodSample, ...]
    servers: tuple[ServerSample, ...]
    replicas: tuple[ReplicaSample, ...] = ()


class Metrics:
    """Counters, and the latest sample of each resource: series not in the sample disappear from /metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            f"{_PREFIX}reconcile_seconds",
            "Time of one round: read, decide, write, act",
            registry=self.registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.last_reconcile = Gauge(
            f"{_PREFIX}last_reconcile_timestamp_seconds", "When a round last came to its end", registry=self.registry
        )
        self.reconcile_errors = Counter(
            f"{_PREFIX}reconcile_errors_total", "Rounds that did not come to their end", registry=self.registry
        )
        self.ready = Gauge(
            f"{_PREFIX}ready", "1 while the resource's condition Ready is True", ["config"], registry=self.registry
        )
        self.leader = Gauge(f"{_PREFIX}leader", "1 while this process holds the Lease and acts", registry=self.registry)
        self.drift = Counter(
            f"{_PREFIX}drift_total",
            "Settings found other than they were set",
            ["config", "kind"],
            registry=self.registry,
        )
        self.refused = Counter(
            f"{_PREFIX}refused_total",
            "Times that the resource turned out not to work as it is",
            ["config", "reason"],
            registry=self.registry,
        )
        self._samples = _Samples()
        self.registry.register(self._samples)

    def serve(self, port: int) -> None:
        """Serve /metrics in its own thread."""
        start_http_server(port, addr=EVERY_ADDRESS, registry=self.registry)

    def show(self, config: str, sample: ConfigSample, ready: bool) -> None:
        self._samples.configs[config] = sample
        self.ready.labels(config).set(ready)

    def refuse(self, config: str) -> None:
        """The resource cannot be applied: not ready and not feasible; its former values stay."""
        self.ready.labels(config).set(0)
        if (last := self._samples.configs.get(config)) is not None:
            self._samples.configs[config] = replace(last, feasible=False)

    def forget(self, config: str) -> None:
        """The resource was deleted, or another operator manages it."""
        self._samples.configs.pop(config, None)
        self.ready.remove(config)


class _Samples(Collector):
    def __init__(self) -> None:
        self.configs: dict[str, ConfigSample] = {}

    def collect(self) -> Iterator[Metric]:
        configs = dict(self.configs)
        yield from _totals(configs)
        yield from _replicas(configs)
        yield from _pods(configs)
        yield from _servers(configs)


def _totals(configs: dict[str, ConfigSample]) -> Iterator[Metric]:
    budget = _gauge("connection_budget", "Connections that the resource allows", "config")
    granted = _gauge("connections_granted", "Sum of the pods' largest pools", "config")
    free = _gauge("connections_free", "Connections that can still be granted to the pods", "config")
    used = _gauge("connections_used", "Connections that the pods have to PostgreSQL", "config")
    feasible = _gauge("budget_feasible", "1 when the budget's sum works out", "config")
    for config, sample in configs.items():
        budget.add_metric([config], sample.budget)
        granted.add_metric([config], sample.granted)
        free.add_metric([config], sample.free)
        used.add_metric([config], sample.used)
        feasible.add_metric([config], sample.feasible)
    yield from (budget, granted, free, used, feasible)


def _replicas(configs: dict[str, ConfigSample]) -> Iterator[Metric]:
    labels = ("config", "replica")
    budget = _gauge("replica_connection_budget", "Connections to the replica that the resource allows", *labels)
    granted = _gauge("replica_connections_granted", "Sum of the pods' largest pools for the replica", *labels)
    used = _gauge("replica_connections_used", "Connections that the pods have to the replica", *labels)
    for config, sample in configs.items():
        for each in sample.replicas:
            budget.add_metric([config, each.replica], each.budget)
            granted.add_metric([config, each.replica], each.granted)
            used.add_metric([config, each.replica], each.used)
    yield from (budget, granted, used)


def _pods(configs: dict[str, ConfigSample]) -> Iterator[Metric]:
    cap = _gauge("pod_cap", "Largest pool that the pod may have", "config", "pod")
    used = _gauge("pod_used", "Connections that the pod has to PostgreSQL", "config", "pod")
    waiting = _gauge("pod_waiting", "Clients of the pod that wait for a connection", "config", "pod")
    for config, sample in configs.items():
        for pod in sample.pods:
            cap.add_metric([config, pod.pod], pod.cap)
            used.add_metric([config, pod.pod], pod.used)
            waiting.add_metric([config, pod.pod], pod.waiting)
    yield from (cap, used, waiting)


def _servers(configs: dict[str, ConfigSample]) -> Iterator[Metric]:
    up = _gauge("memcached_up", "1 when the server answered", "server")
    used = _gauge("memcached_bytes", "Memory that items take", "server")
    limit = _gauge("memcached_limit_bytes", "Memory that items may take", "server")
    hits = CounterMetricFamily(f"{_PREFIX}memcached_hits", "Reads that found something", labels=["server"])
    misses = CounterMetricFamily(f"{_PREFIX}memcached_misses", "Reads that found nothing", labels=["server"])
    for server in {each.server: each for sample in configs.values() for each in sample.servers}.values():
        up.add_metric([server.server], server.up)
        if server.up:
            used.add_metric([server.server], server.used_bytes)
            limit.add_metric([server.server], server.limit_bytes)
            hits.add_metric([server.server], server.hits)
            misses.add_metric([server.server], server.misses)
    yield from (up, used, limit, hits, misses)


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", meaning, labels=labels)
