"""The budget of a read replica, beside that of the primary, against two real PgBouncers in each pod."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from jobfinder_operator.deciding.ledger import Ledger, ledgers_of_replicas
from tests.conftest import LocalDatabase
from tests.integration.operator.load import saturated
from tests.integration.operator.platform import NAME, Platform, RunningOperator
from tests.integration.operator.sidecars import Sidecar, read

MOST_PODS, HEADROOM = 5, 2
PRIMARY, REPLICA = 20, 12
DATABASE = {
    "lingerSeconds": 1,
    "connectionBudget": PRIMARY,
    "headroom": HEADROOM,
    "maxPods": MOST_PODS,
    "perPod": {"floor": 1, "max": 16},
    "replicas": [{"name": "a", "connectionBudget": REPLICA, "headroom": HEADROOM}],
}


@pytest.fixture
def platform(postgres: Postgres, database: LocalDatabase, server: Memcached) -> Iterator[Platform]:
    made = Platform(postgres, database.name, server, floor=1, replica="a")
    for name in ("pod-a", "pod-b"):
        made.add_pod(name)
    made.configure(mode="Apply", database=DATABASE)
    yield made
    made.close()


def possible(sidecars: dict[str, Sidecar]) -> int:
    """What the pools may have together, with a floor of 1 for each pod that may still come."""
    return sum(read(each).pool_size for each in sidecars.values()) + MOST_PODS - len(sidecars) + HEADROOM


def all_is_granted(platform: Platform) -> bool:
    """Every connection of both budgets; raises AssertionError as soon as one is exceeded."""
    primary, replica = possible(platform.sidecars), possible(platform.for_replica)
    assert primary <= PRIMARY and replica <= REPLICA
    settled = platform.cluster.condition(NAME, "BudgetConverged")[0] == "True"
    return settled and (primary, replica) == (PRIMARY, REPLICA)


def told(platform: Platform) -> dict[str, Any]:
    """What the status says of the replica."""
    (found,) = platform.cluster.status(NAME)["replicas"]
    assert found["name"] == "a"
    return dict(found)


def ledger(platform: Platform) -> Ledger:
    found = ledgers_of_replicas(platform.cluster.status(NAME))["a"]
    assert found is not None
    return found


def test_budgets_hold_while_pods_and_operators_come_and_go(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: all_is_granted(platform))
    assert told(platform)["budget"]["total"] == REPLICA
    url = platform.add_pod("pod-c").url
    with saturated([url, platform.for_replica["pod-c"].url], clients=4, statement="SELECT pg_sleep(0.005)"):
        operator.settle(lambda: all_is_granted(platform))
    successor = platform.operator()
    uid = platform.cluster.objects["Pod", "pod-a"]["metadata"]["uid"]
    platform.remove_pod("pod-a")
    successor.around.ended.append(uid)
    successor.settle(lambda: all_is_granted(platform))
    assert {each["name"] for each in told(platform)["pods"]} == {"pod-b", "pod-c"}
    successor.crash()


def test_a_killed_pgbouncer_counts_for_its_own_server_alone(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: all_is_granted(platform))
    primary = {name: read(each).pool_size for name, each in platform.sidecars.items()}
    cap = {each.name: each.cap for each in ledger(platform).pods.values()}["pod-a"]
    platform.restart_sidecar("pod-a", for_replica=True)
    operator.settle(lambda: bool(ledger(platform).ghosts))
    (ghost,) = ledger(platform).ghosts
    assert (ghost.name, ghost.cap) == ("pod-a", cap) and platform.cluster.status(NAME)["ledger"]["ghosts"] == []
    operator.settle(lambda: all_is_granted(platform))
    assert {name: read(each).pool_size for name, each in platform.sidecars.items()} == primary


def test_a_silent_pgbouncer_of_a_replica_keeps_its_cap_and_is_named(
    platform: Platform, operator: RunningOperator
) -> None:
    operator.settle(lambda: all_is_granted(platform))
    platform.for_replica["pod-a"].pause()
    try:
        held = ledger(platform).pods
        platform.configure(database={**DATABASE, "maxPods": MOST_PODS + 1})
        operator.settle(lambda: platform.cluster.condition(NAME, "Degraded")[0] == "True")
        assert "Replica a: PgBouncer of pod-a does not answer" in platform.cluster.condition(NAME, "Degraded")[1]
        kept = {entry.name: entry.cap for entry in ledger(platform).pods.values()}
        assert kept["pod-a"] == {entry.name: entry.cap for entry in held.values()}["pod-a"]
    finally:
        platform.for_replica["pod-a"].resume()


def test_an_edit_of_the_budget_reaches_the_pools_of_the_replica(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: all_is_granted(platform))
    smaller = [{"name": "a", "connectionBudget": REPLICA - 3, "headroom": HEADROOM}]
    platform.configure(database={**DATABASE, "replicas": smaller})
    operator.settle(lambda: possible(platform.for_replica) == REPLICA - 3)
    assert possible(platform.sidecars) == PRIMARY
    metrics = generate_latest(operator.around.metrics.registry).decode()
    assert f'jobfinder_operator_replica_connection_budget{{config="{NAME}",replica="a"}} {REPLICA - 3:.1f}' in metrics
    too_small = [{"name": "a", "connectionBudget": MOST_PODS, "headroom": HEADROOM}]
    platform.configure(database={**DATABASE, "replicas": too_small})
    operator.settle(lambda: platform.cluster.condition(NAME, "Ready")[0] == "False")
    assert (
        "replica a: floor 1 x maxPods 5 + headroom 2 = 7 > connectionBudget 5"
        in platform.cluster.condition(NAME, "Ready")[1]
    )


def test_pools_of_a_deleted_resource_return_to_the_floor(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: all_is_granted(platform))
    operator.farewell(platform.cluster.delete("JobFinderConfig", NAME))
    every = [*platform.sidecars.values(), *platform.for_replica.values()]
    assert [read(each).pool_size for each in every] == [1] * 4
