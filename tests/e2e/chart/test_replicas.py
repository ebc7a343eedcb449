"""Read replicas: a PgBouncer for each beside the service, with a budget of its own, and a way to it."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chart.lookups import autoscaler, config, deployment, upgrade
from tests.e2e.chart.rendering import (
    BUNDLED,
    EVERYTHING,
    EXTERNAL,
    RELEASE,
    Manifest,
    Values,
    container,
    containers,
    environment,
    named,
    pods,
    refusal,
    render,
)

URL = "postgresql://jobfinder@/jobfinder?host=/run/pgbouncer&port="
OPERATOR: Values = {"operator": {"enabled": True, "existingSecret": "o", "tls": {"existingSecret": "t"}}}
A = {"name": "a", "host": "a.example", "connectionBudget": 40}
B = {"name": "b", "host": "b.example", "port": 5433, "connectionBudget": 57, "headroom": 2}


def with_replicas(*replicas: Values, more: Values = EXTERNAL) -> Values:
    return {**more, "database": {**more.get("database", {}), "replicas": [dict(each) for each in replicas]}}


def app(manifests: list[Manifest]) -> Manifest:
    return dict(pods(manifests))[f"Deployment/{RELEASE}"]


def test_without_replicas_nothing_is_there() -> None:
    manifests = render(EXTERNAL)
    assert "DATABASE_REPLICA_URLS" not in environment(container(app(manifests), "app"))
    assert [each["name"] for each in containers(app(manifests))] == ["pgbouncer-config", "pgbouncer", "app"]


def test_each_replica_has_a_pgbouncer_that_does_not_refuse_standbys() -> None:
    pod = app(render(with_replicas(A, B)))
    assert environment(container(pod, "app"))["DATABASE_REPLICA_URLS"] == f"{URL}6433,{URL}6434"
    for name, host, port, console in (("a", "a.example", "5432", "6433"), ("b", "b.example", "5433", "6434")):
        given = environment(container(pod, f"pgbouncer-replica-{name}-config"))
        assert (given["DATABASE_HOST"], given["DATABASE_PORT"]) == (host, port)
        assert (given["PGBOUNCER_PORT"], given["PGBOUNCER_FOR_REPLICA"]) == (console, "true")
        pooler = container(pod, f"pgbouncer-replica-{name}")
        assert pooler["command"] == ["pgbouncer", f"/etc/pgbouncer/{name}/pgbouncer.ini"]
        assert pooler["startupProbe"]["exec"]["command"][-1] == f"/run/pgbouncer/.s.PGSQL.{console}"
    primary = environment(container(pod, "pgbouncer-config"))
    assert "PGBOUNCER_FOR_REPLICA" not in primary and primary["DATABASE_HOST"] == "postgresql.example"


def test_role_and_database_of_a_secret_are_those_of_replicas_too() -> None:
    keys = {"username": "username", "password": "password", "host": "host", "port": "port", "dbname": "dbname"}
    told = {**EXTERNAL, "database": {"existingSecret": "orders-app", "secretKeys": keys}}
    given = environment(container(app(render(with_replicas(A, more=told))), "pgbouncer-replica-a-config"))
    files = {name for name in given if name.startswith("DATABASE_") and name.endswith("_FILE")}
    assert files == {"DATABASE_NAME_FILE", "DATABASE_USER_FILE", "DATABASE_PASSWORD_FILE"}
    assert given["DATABASE_HOST"] == "a.example" and given["DATABASE_PORT"] == "5432"


def test_only_the_service_reads_from_replicas() -> None:
    for whose, pod in pods(render(EVERYTHING)):
        names = [each["name"] for each in containers(pod) if "replica" in each["name"]]
        assert bool(names) == (whose == f"Deployment/{RELEASE}"), whose


def test_pools_share_the_budget_of_their_own_server() -> None:
    pod = app(render(with_replicas(A, B)))
    sizes = {
        name: int(environment(container(pod, f"{name}-config"))["PGBOUNCER_POOL_SIZE"])
        for name in ("pgbouncer", "pgbouncer-replica-a", "pgbouncer-replica-b")
    }
    assert sizes == {
        "pgbouncer": (80 - 5) // 13,
        "pgbouncer-replica-a": (40 - 5) // 13,
        "pgbouncer-replica-b": (57 - 2) // 13,
    }


def test_with_the_operator_pools_start_at_the_floor() -> None:
    manifests = render(with_replicas(A, more={**EXTERNAL, **OPERATOR, "pgbouncer": {"floor": 2}}))
    pod = app(manifests)
    assert environment(container(pod, "pgbouncer-replica-a-config"))["PGBOUNCER_POOL_SIZE"] == "2"
    given = named(manifests, "JobFinderConfig", RELEASE)["spec"]["database"]["replicas"]
    assert given == [{"name": "a", "connectionBudget": 40, "headroom": 5}]
    assert container(pod, "pgbouncer-replica-a")["ports"] == [{"name": "pgbouncer-6433", "containerPort": 6433}]


@pytest.mark.parametrize(
    ("replicas", "words"),
    [
        (
            [{**A, "connectionBudget": 17}],
            (
                "pgbouncer.floor 1 x database.maxPods 13 + headroom 5 = 18 is more than connectionBudget 17 of "
                "database.replicas a: scaling out could exhaust the replica. Nearest that works: connectionBudget 18."
            ),
        ),
        ([A, {**B, "name": "a"}], "database.replicas has two of the name a."),
        ([{**A, "name": "a-config"}], "does not match pattern"),
        ([{**A, "host": "a.example,b.example"}], "does not match pattern"),
    ],
)
def test_replicas_that_cannot_work_are_refused(replicas: list[Values], words: str) -> None:
    assert words in refusal(with_replicas(*replicas))


@pytest.mark.parametrize("more", [EXTERNAL, BUNDLED], ids=["external", "bundled"])
def test_the_service_may_reach_replicas_and_the_operator_their_consoles(more: Values) -> None:
    def ports(rules: list[Any]) -> list[list[int]]:
        return [[each["port"] for each in rule["ports"]] for rule in rules]

    manifests = render(with_replicas(A, B, more={**more, **OPERATOR}))
    policy = named(manifests, "NetworkPolicy", RELEASE)["spec"]
    assert {"ports": [{"port": 5432}, {"port": 5433}]} in policy["egress"]
    assert [6432, 6433, 6434] in ports(policy["ingress"])
    assert [6432, 6433, 6434, 8000] in ports(named(manifests, "NetworkPolicy", f"{RELEASE}-operator")["spec"]["egress"])


def running(size: int, replica: int) -> Manifest:
    """A Deployment whose pods have pools of these sizes for the primary and for the replica `a`."""
    found = deployment(size)
    env = [{"name": "PGBOUNCER_POOL_SIZE", "value": str(replica)}]
    found["spec"]["template"]["spec"]["initContainers"].append({"name": "pgbouncer-replica-a-config", "env": env})
    return found


def test_upgrades_in_which_pods_could_exceed_the_budget_of_a_replica_are_refused(tmp_path: Path) -> None:
    values = with_replicas(A)
    assert upgrade(values, [running(5, 2), autoscaler(6)], tmp_path).ok
    refused = upgrade(values, [running(5, 4), autoscaler(6)], tmp_path)
    assert "pools of up to 4 x 13 pods + headroom 5 = 57 are more than connectionBudget 40 of" in refused.complaint
    assert "this upgrade with connectionBudget 57 for this replica" in refused.complaint
    assert upgrade(with_replicas({**A, "connectionBudget": 57}), [running(5, 4), autoscaler(6)], tmp_path).ok
    # The operator shrinks the pools of the pods that run before it lets others grow.
    watched = with_replicas(A, more={**EXTERNAL, **OPERATOR})
    assert upgrade(watched, [running(1, 1), autoscaler(6), config()], tmp_path).ok


def test_running_pools_can_be_declared_where_there_is_no_cluster() -> None:
    declared = {"poolSize": 5, "pods": 13, "replicas": {"a": 4}}
    values = with_replicas(A, more={**EXTERNAL, "database": {**EXTERNAL["database"], "running": declared}})
    assert "= 57 are more than connectionBudget 40 of database.replicas a" in refusal(values)
