"""Whole rounds against real PgBouncers and a real memcached, with the cluster in memory."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import pytest
from lightkube.resources.core_v1 import Pod
from prometheus_client import generate_latest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from jobfinder_operator.clients.cluster import ClusterError
from jobfinder_operator.deciding.memory import MEGABYTE
from tests.conftest import LocalDatabase
from tests.integration.operator.load import saturated
from tests.integration.operator.platform import NAME, RELEASE, Platform, RunningOperator
from tests.integration.operator.sidecars import Sidecar, on_console, read, setting

FLOOR = 1
DATABASE = {
    "lingerSeconds": 1,
    "connectionBudget": 20,
    "headroom": 2,
    "maxPods": 5,
    "perPod": {"floor": FLOOR, "max": 16},
}
FREE = 20 - 2 - 5 * FLOOR


@pytest.fixture
def platform(postgres: Postgres, database: LocalDatabase, server: Memcached) -> Iterator[Platform]:
    made = Platform(postgres, database.name, server, FLOOR)
    for name in ("pod-a", "pod-b"):
        made.add_pod(name)
    made.configure(mode="Apply", database=DATABASE)
    yield made
    made.close()


def sizes(platform: Platform) -> dict[str, int]:
    return {name: read(sidecar).pool_size for name, sidecar in platform.sidecars.items()}


def set_by_hand(sidecar: Sidecar, size: int) -> None:
    on_console(sidecar, lambda console: console.set_pool_size(size))


def granted(platform: Platform) -> int:
    return sum(sizes(platform).values())


def converged(platform: Platform) -> bool:
    return platform.cluster.condition(NAME, "BudgetConverged")[0] == "True"


def test_pods_get_the_whole_budget(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    operator.settle(lambda: converged(platform))


def test_connections_of_task_workers_are_part_of_the_budget(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    platform.add_workers(replicas=1, connections=2)
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR - 4 and converged(platform))
    budget = platform.cluster.status(NAME)["budget"]
    assert (budget["reserved"], budget["total"]) == (4, 20)
    assert "+ 4 of other Deployments" in platform.cluster.condition(NAME, "BudgetConverged")[1]


def test_settled_platform_gets_no_writes(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: converged(platform) and platform.cluster.condition(NAME, "TuningApplied")[0] == "True")
    writes, notices = platform.cluster.status_writes, len(platform.cluster.notices)
    for _ in range(5):
        operator.round()
    assert (platform.cluster.status_writes, len(platform.cluster.notices)) == (writes, notices)


def test_a_new_pod_gets_its_share_from_the_others_under_load(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    urls = [sidecar.url for sidecar in platform.sidecars.values()]
    with saturated(urls, clients=12, statement="SELECT pg_sleep(0.005)") as load:
        operator.settle(lambda: load.done > 50)
        url = platform.add_pod("pod-c").url  # without clients it would need no more than its floor
        with saturated([url], clients=12, statement="SELECT pg_sleep(0.005)") as its_load:
            operator.settle(lambda: sizes(platform)["pod-c"] > FLOOR and granted(platform) <= FREE + 3 * FLOOR)
    assert load.failures == its_load.failures == []


def test_reloaded_sidecar_gets_its_share_again(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    on_console(platform.sidecars["pod-a"], lambda console: console.rows("RELOAD"))
    assert sizes(platform)["pod-a"] == FLOOR
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)


def test_unreachable_pod_keeps_its_recorded_share(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    held = sizes(platform)["pod-a"]
    platform.sidecars["pod-a"].pause()
    try:
        platform.configure(database={**DATABASE, "maxPods": 6})
        for _ in range(3):
            operator.round()
        others = read(platform.sidecars["pod-b"]).pool_size
        assert held + others + 4 * FLOOR + 2 <= 20
    finally:
        platform.sidecars["pod-a"].resume()
    operator.settle(lambda: granted(platform) <= 20 - 2 - 4 * FLOOR)


def test_a_smaller_budget_shrinks_the_pods(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    platform.configure(database={**DATABASE, "connectionBudget": 12})
    operator.settle(lambda: granted(platform) == 12 - 2 - 3 * FLOOR)


def test_infeasible_budget_is_refused_and_changes_nothing(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    before = sizes(platform)
    platform.configure(database={**DATABASE, "connectionBudget": 6})
    operator.settle(lambda: platform.cluster.condition(NAME, "Ready")[0] == "False")
    for _ in range(3):
        operator.round()
    assert sizes(platform) == before
    assert any("7 > connectionBudget 6" in notice.message for notice in platform.cluster.notices)
    told = generate_latest(operator.around.metrics.registry).decode()
    assert f'jobfinder_operator_refused_total{{config="{NAME}",reason="NotFollowed"}} 1.0' in told
    assert f'jobfinder_operator_budget_feasible{{config="{NAME}"}} 0.0' in told
    assert f'jobfinder_operator_ready{{config="{NAME}"}} 0.0' in told
    assert f'jobfinder_operator_pod_cap{{config="{NAME}",pod="pod-a"}} {float(before["pod-a"])}' in told


def test_size_set_by_hand_is_corrected_and_reported(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    set_by_hand(platform.sidecars["pod-a"], 40)
    operator.settle(lambda: sizes(platform)["pod-a"] <= FREE + FLOOR and granted(platform) <= FREE + 2 * FLOOR)
    assert [each for each in platform.cluster.notices if each.reason.startswith("Drift") and "pod-a" in each.message]


def test_default_pool_size_set_by_hand_is_corrected(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR and converged(platform))
    before, pod = sizes(platform), platform.sidecars["pod-a"]
    for value in (1, 40):
        on_console(pod, lambda console: console.rows(f"SET default_pool_size = {value}"))
        assert sizes(platform) == before
        operator.settle(lambda: setting(pod, "default_pool_size") == str(before["pod-a"]))
    assert sizes(platform) == before
    resized = [each.message for each in platform.cluster.notices if each.reason == "PoolsResized"]
    assert all(any(f"pod-a {value} -> {before['pod-a']}" in each for each in resized) for value in (1, 40))


def test_restarted_sidecar_gets_its_share_again(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    platform.restart_sidecar("pod-a")
    assert sizes(platform)["pod-a"] == FLOOR
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR, timeout_s=40)


def test_new_operator_continues_after_a_crash(platform: Platform) -> None:
    first = platform.operator()
    first.settle(lambda: platform.cluster.status_writes > 1)
    first.crash()
    second = platform.operator()
    second.settle(lambda: granted(platform) == FREE + 2 * FLOOR, timeout_s=40)
    second.crash()


def test_observe_mode_changes_nothing(platform: Platform, operator: RunningOperator) -> None:
    platform.configure(mode="Observe", cache={"memcachedMegabytes": 80})
    for _ in range(4):
        operator.round()
    assert sizes(platform) == {"pod-a": FLOOR, "pod-b": FLOOR}
    assert platform.tuning() == {}
    assert platform.memcached.ask(b"version").startswith(b"VERSION")
    assert platform.cluster.status(NAME)["conditions"]


def test_paused_resource_changes_nothing_and_says_so(platform: Platform, operator: RunningOperator) -> None:
    platform.configure(paused=True)
    for _ in range(4):
        operator.round()
    assert sizes(platform) == {"pod-a": FLOOR, "pod-b": FLOOR}
    assert "paused" in str(platform.cluster.status(NAME)["conditions"]).lower()


def test_memory_is_set_and_refused_above_the_container_limit(platform: Platform, operator: RunningOperator) -> None:
    def limit() -> int:
        return int(platform.memcached_stats()["limit_maxbytes"]) // MEGABYTE

    platform.configure(cache={"memcachedMegabytes": 72})
    operator.settle(lambda: limit() == 72 and platform.cluster.condition(NAME, "CacheTuned")[0] == "True")
    platform.configure(cache={"memcachedMegabytes": 120})
    operator.settle(lambda: platform.cluster.condition(NAME, "CacheTuned")[0] == "False")
    assert "102" in platform.cluster.condition(NAME, "CacheTuned")[1]
    assert limit() == 72


def test_query_wait_timeout_is_set_on_every_console(platform: Platform, operator: RunningOperator) -> None:
    platform.configure(database={**DATABASE, "timeouts": {"queryWaitSeconds": 3}})
    operator.settle(lambda: {read(each).query_wait_seconds for each in platform.sidecars.values()} == {3})


def test_tuning_is_written_and_confirmed_by_every_worker(platform: Platform, operator: RunningOperator) -> None:
    platform.configure(limits={"requestsPerUser": 900})
    operator.settle(lambda: platform.cluster.condition(NAME, "TuningApplied")[0] == "True")
    generation = platform.tuning()["generation"]
    assert platform.tuning()["limits"] == {"requests_per_user": 900}
    assert all(set(each.generations) == {generation} for each in platform.services.values())
    platform.configure(limits={"requestsPerUser": 901})
    operator.settle(lambda: platform.tuning()["limits"] == {"requests_per_user": 901})
    assert platform.tuning()["generation"] > generation
    notes = platform.cluster.objects["Pod", "pod-a"]["metadata"]["annotations"]
    assert notes["jobfinder.dev/tuning-generation"]


def test_task_workers_have_to_confirm_the_tuning_too(platform: Platform, operator: RunningOperator) -> None:
    platform.add_workers(replicas=1, connections=2)
    worker = platform.services[f"{NAME}-worker-0"]
    worker.refuses = lambda contents: contents.get("tasks") is not None
    operator.settle(lambda: platform.cluster.condition(NAME, "TuningApplied")[0] == "True")
    assert platform.cluster.status(NAME)["tuning"]["confirmed"] == 3
    platform.configure(tasks={"concurrency": 8})
    operator.settle(lambda: "TuningRefused" in [each.reason for each in platform.cluster.notices])
    assert "tasks" not in platform.tuning()
    worker.refuses = lambda contents: False
    platform.configure(tasks={"concurrency": 9})
    operator.settle(lambda: platform.cluster.condition(NAME, "TuningApplied")[0] == "True")
    assert set(worker.generations) == {platform.tuning()["generation"]}
    assert platform.cluster.objects["Pod", f"{NAME}-worker-0"]["metadata"]["annotations"]


def test_refused_tuning_is_rolled_back_and_not_retried(platform: Platform, operator: RunningOperator) -> None:
    platform.configure(limits={"requestsPerUser": 900})
    operator.settle(lambda: platform.cluster.condition(NAME, "TuningApplied")[0] == "True")
    for service in platform.services.values():
        service.refuses = lambda contents: contents.get("passwords") is not None
    platform.configure(passwords={"bcryptCost": 12})
    operator.settle(lambda: "TuningRefused" in [each.reason for each in platform.cluster.notices])
    operator.settle(
        lambda: all(set(each.generations) == {platform.tuning()["generation"]} for each in platform.services.values())
    )
    for _ in range(3):
        operator.round()
    assert "passwords" not in platform.tuning()
    assert platform.tuning()["limits"] == {"requests_per_user": 900}
    assert platform.cluster.condition(NAME, "TuningApplied")[0] == "False"
    platform.configure(passwords={})
    operator.settle(lambda: platform.cluster.condition(NAME, "TuningApplied")[0] == "True")


def test_deleting_the_resource_returns_pods_to_their_floors(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    operator.farewell(platform.cluster.delete("JobFinderConfig", NAME))
    assert sizes(platform) == {"pod-a": FLOOR, "pod-b": FLOOR}


def test_operator_that_has_just_started_returns_pods_to_their_floors(
    platform: Platform, operator: RunningOperator
) -> None:  # fmt: skip
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    successor = platform.operator()
    successor.farewell(platform.cluster.delete("JobFinderConfig", NAME))
    assert sizes(platform) == {"pod-a": FLOOR, "pod-b": FLOOR}
    successor.crash()


def test_pods_that_another_resource_claims_keep_their_pools(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    before = sizes(platform)
    platform.add_rival("second", database=DATABASE)
    successor = platform.operator("second")
    successor.farewell(platform.cluster.delete("JobFinderConfig", "second"))
    assert sizes(platform) == before
    successor.crash()


def test_younger_resource_of_the_same_target_waits_for_the_older(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    before = sizes(platform)
    platform.add_rival("second", database={**DATABASE, "connectionBudget": 12}, limits={"requestsPerUser": 1})
    second = platform.operator("second")
    second.settle(lambda: platform.cluster.condition("second", "TargetTaken")[0] == "True")
    for _ in range(3):
        second.round()
        operator.round()
    assert sizes(platform) == before
    assert "limits" not in platform.tuning()
    assert platform.cluster.condition(NAME, "Ready")[0] == "True"
    message = platform.cluster.condition("second", "Ready")[1]
    assert "belongs to JobFinderConfig demo-jobfinder, which is older" in message
    held = {each["name"]: each["cap"] for each in platform.cluster.status("second")["ledger"]["pods"]}
    assert held == before
    platform.cluster.delete("JobFinderConfig", NAME)
    second.settle(lambda: granted(platform) == 12 - 2 - 3 * FLOOR, timeout_s=40)
    assert platform.cluster.condition("second", "TargetTaken")[0] == "missing"
    second.crash()


def test_older_resource_created_during_a_round_stops_it(platform: Platform, operator: RunningOperator) -> None:
    real = platform.cluster.pods

    async def pods(labels: Mapping[str, str]) -> Sequence[Pod]:
        if ("JobFinderConfig", "an-older") not in platform.cluster.objects:
            platform.add_rival("an-older", age="2000-01-01T00:00:00Z", database=DATABASE)
        return await real(labels)

    platform.cluster.pods = pods  # type: ignore[method-assign]
    operator.round()
    assert sizes(platform) == {"pod-a": FLOOR, "pod-b": FLOOR}
    assert platform.cluster.condition(NAME, "TargetTaken")[0] == "True"


def test_operator_ignores_deployments_of_another_release(platform: Platform) -> None:
    other = platform.operator(release="other")
    for _ in range(3):
        other.round()
    assert platform.cluster.status_writes == 0
    other.crash()
    own = platform.operator(release=RELEASE)
    own.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    own.crash()


def test_operator_without_the_lease_changes_nothing(platform: Platform, operator: RunningOperator) -> None:
    platform.lease.taken = True
    asyncio.run(platform.leadership.attempt())
    for _ in range(3):
        operator.round()
    assert sizes(platform) == {"pod-a": FLOOR, "pod-b": FLOOR}
    assert platform.cluster.status_writes == 0


def test_api_outage_changes_no_pool(platform: Platform, operator: RunningOperator) -> None:
    operator.settle(lambda: granted(platform) == FREE + 2 * FLOOR)
    before = sizes(platform)
    platform.cluster.down = True
    with pytest.raises(ClusterError):
        operator.round()
    platform.cluster.down = False
    assert sizes(platform) == before
    operator.settle(lambda: platform.cluster.condition(NAME, "Ready")[0] == "True")
