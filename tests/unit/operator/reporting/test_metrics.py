"""The operator's metrics, and their removal with the resource."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from jobfinder_operator.reporting.metrics import ConfigSample, Metrics, PodSample, ServerSample

SAMPLE = ConfigSample(
    budget=40,
    granted=20,
    free=3,
    used=11,
    feasible=True,
    pods=(PodSample("pod-a", 10, 9, 2),),
    servers=(ServerSample("m-0", True, 100, 1000, 7, 3), ServerSample("m-1", False)),
)
CONFIG = {
    "connection_budget": 40,
    "connections_granted": 20,
    "connections_free": 3,
    "connections_used": 11,
    "budget_feasible": 1,
    "ready": 1,
}
POD = {"pod_cap": 10, "pod_used": 9, "pod_waiting": 2}
SERVER = {
    "memcached_up": 1,
    "memcached_bytes": 100,
    "memcached_limit_bytes": 1000,
    "memcached_hits_total": 7,
    "memcached_misses_total": 3,
}


def series(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name without the prefix, values of its labels) -> value."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        (sample.name.removeprefix("jobfinder_operator_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_sample_has_the_documented_metric_names() -> None:
    metrics = Metrics()
    metrics.show("demo", SAMPLE, ready=True)
    told = series(metrics)
    for name, value in CONFIG.items():
        assert told[name, "demo"] == value
    for name, value in POD.items():
        assert told[name, "demo", "pod-a"] == value
    for name, value in SERVER.items():
        assert told[name, "m-0"] == value
    assert told["memcached_up", "m-1"] == 0
    assert ("memcached_bytes", "m-1") not in told


def test_metrics_of_a_deleted_resource_are_removed() -> None:
    metrics = Metrics()
    metrics.show("demo", SAMPLE, ready=True)
    metrics.forget("demo")
    assert not [key for key in series(metrics) if "demo" in key or "m-0" in key]


def test_rounds_are_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.reconcile_seconds.observe(0.1)
    metrics.reconcile_errors.inc()
    metrics.drift.labels("demo", "raised").inc()
    metrics.refused.labels("demo", "TooMuch").inc()
    told = series(metrics)
    assert told["reconcile_seconds_count",] == 1
    assert told["reconcile_errors_total",] == 1
    assert told["drift_total", "demo", "raised"] == told["refused_total", "demo", "TooMuch"] == 1
    assert told["leader",] == told["last_reconcile_timestamp_seconds",] == 0
