"""The realtime gateway: a Deployment with a Service, routes and a PgBouncer of its own, which counts in the budget."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chart.lookups import autoscaler, deployment, upgrade
from tests.e2e.chart.rendering import (
    EVERYTHING,
    EXTERNAL,
    RELEASE,
    Values,
    container,
    environment,
    named,
    objects,
    pods,
    refusal,
    render,
)

NAME = f"{RELEASE}-realtime"
REALTIME: Values = {**EXTERNAL, "realtime": {"enabled": True}}
PATHS = ["/api/v1/realtime", "/api/v1/realtime/events"]


def _realtime(**more: Any) -> Values:
    return {**EXTERNAL, "realtime": {"enabled": True, **more}}


def test_there_is_no_gateway_unless_it_is_wanted() -> None:
    assert not [each for each in objects(render(EXTERNAL)) if "realtime" in each]
    added = objects(render(REALTIME)) - objects(render(EXTERNAL))
    kinds = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy")
    assert added == {f"{kind}/{NAME}" for kind in kinds}


def test_gateway_has_database_tuning_and_keys_but_no_mail() -> None:
    found = dict(pods(render(EVERYTHING)))
    pod, app = found[f"Deployment/{NAME}"], found[f"Deployment/{RELEASE}"]
    mine, own = container(pod, "realtime"), container(app, "app")
    assert mine["args"] == ["realtime"] and mine["image"] == own["image"]
    for name in ("DATABASE_URL", "MEMCACHED_SERVERS", "CORS_ORIGINS", "PATH_PREFIX"):
        assert environment(mine)[name] == environment(own)[name]
    mounted = {each["name"] for each in mine["volumeMounts"]}
    assert {"tuning", "pepper", "keys", "pgbouncer-socket"} <= mounted and "mail" not in mounted
    assert container(pod, "pgbouncer") == container(app, "pgbouncer")


@pytest.mark.parametrize(("drain", "grace"), [(60, 75), (300, 315)])
def test_clients_of_a_pod_that_ends_are_told_within_its_grace_period(drain: int, grace: int) -> None:
    pod = dict(pods(render(_realtime(drainSeconds=drain))))[f"Deployment/{NAME}"]
    assert environment(container(pod, "realtime"))["GRACEFUL_TIMEOUT"] == str(drain)
    assert pod["spec"]["terminationGracePeriodSeconds"] == grace


def test_both_paths_lead_to_the_gateway_exactly() -> None:
    manifests = render({**EVERYTHING, "pathPrefix": "/jobs"})
    wanted = [f"/jobs{path}" for path in PATHS]
    [rule] = named(manifests, "Ingress", RELEASE)["spec"]["rules"]
    mine = [each for each in rule["http"]["paths"] if each["backend"]["service"]["name"] == NAME]
    assert [(each["path"], each["pathType"]) for each in mine] == [(path, "Exact") for path in wanted]
    *_, last = named(manifests, "HTTPRoute", RELEASE)["spec"]["rules"]
    assert [each["path"] for each in last["matches"]] == [{"type": "Exact", "value": path} for path in wanted]
    [port] = named(manifests, "Service", NAME)["spec"]["ports"]
    assert last["backendRefs"] == [{"name": NAME, "port": port["port"]}]
    assert {each["backend"]["service"]["port"]["name"] for each in mine} == {port["name"]}


def test_its_connections_are_taken_from_the_shares_of_other_pods() -> None:
    found = dict(pods(render({**REALTIME, "worker": {"enabled": True, "replicas": 3, "connections": 4}})))
    sizes = {
        name: int(environment(container(found[f"Deployment/{name}"], "pgbouncer-config"))["PGBOUNCER_POOL_SIZE"])
        for name in (RELEASE, NAME)
    }
    assert sizes == {NAME: 2, RELEASE: (80 - 5 - 2 * 3 * 4 - (2 * 3 + 1) * 2) // 13}


@pytest.mark.parametrize(
    ("values", "sum_of"),
    [
        ({"connections": 10}, "(2 x realtime.hpa.maxReplicas 3 + 1) x realtime.connections 10 = 88"),
        ({"hpa": {"enabled": False}, "replicas": 20}, "(2 x realtime.replicas 20 + 1) x realtime.connections 2 = 100"),
    ],
)
def test_too_many_connections_of_the_gateway_are_refused(values: Values, sum_of: str) -> None:
    message = refusal(_realtime(**values))
    assert f"+ database.headroom 5 + {sum_of} is more than" in message
    assert f"Nearest that works: database.connectionBudget {sum_of.rpartition(' ')[2]}" in message


def test_fewer_pods_at_most_than_at_least_are_refused() -> None:
    message = refusal(_realtime(hpa={"minReplicas": 4}))
    assert "realtime.hpa.minReplicas 4 is more than realtime.hpa.maxReplicas 3." in message


def test_pods_that_run_count_while_they_are_replaced(tmp_path: Path) -> None:
    """Without the operator, pools of the service's pods grow only once connections of the gateway are free."""
    running = [deployment(4), autoscaler(6), deployment(2, name=NAME)]
    running[-1]["spec"]["replicas"] = 3
    refused = upgrade(EXTERNAL, running, tmp_path)
    assert "+ 14 of task workers and realtime = 84 are more than database.connectionBudget 80" in refused.complaint
    assert upgrade(REALTIME, running, tmp_path).ok


def test_scaling_by_connections_needs_to_be_wanted() -> None:
    def metrics(values: Values) -> list[Any]:
        found: list[Any] = named(render(values), "HorizontalPodAutoscaler", NAME)["spec"]["metrics"]
        return found

    cpu, connections = metrics(_realtime(hpa={"targetConnections": 8000}))
    assert metrics(REALTIME) == [cpu] and cpu["containerResource"]["container"] == "realtime"
    assert connections == {
        "type": "Pods",
        "pods": {
            "metric": {"name": "jobfinder_realtime_connections"},
            "target": {"type": "AverageValue", "averageValue": "8000"},
        },
    }
    fixed = render(_realtime(hpa={"enabled": False}, replicas=4))
    assert named(fixed, "Deployment", NAME)["spec"]["replicas"] == 4
    assert f"HorizontalPodAutoscaler/{NAME}" not in objects(fixed)


def test_operator_asks_the_gateway_at_its_port() -> None:
    manifests = render(EVERYTHING)
    operator = dict(pods(manifests))[f"Deployment/{RELEASE}-operator"]
    gateway = container(dict(pods(manifests))[f"Deployment/{NAME}"], "realtime")
    [port] = gateway["ports"]
    assert environment(container(operator, "operator"))["REALTIME_PORT"] == str(port["containerPort"])
    assert environment(gateway)["REALTIME_PORT"] == str(port["containerPort"])


def test_prometheus_finds_the_gateway_by_its_service() -> None:
    manifests = render(EVERYTHING)
    monitor = named(manifests, "ServiceMonitor", NAME)["spec"]
    service = named(manifests, "Service", NAME)
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [each["port"] for each in monitor["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]
