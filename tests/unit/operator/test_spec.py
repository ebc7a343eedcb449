"""Reading of the resource: defaults, and errors that name the field, the reason and the nearest valid value."""

import json
from typing import Any

import pytest

from app.config import Caches, CacheTuning, Tuning
from app.infra.tuning.live_tuning import read_tuning
from jobfinder_operator.deciding.snapshot import Workload
from jobfinder_operator.spec import SpecError, budget_parameters, problems, read_spec
from jobfinder_operator.tuning.contents import console_settings, tuning_file
from tests.unit.operator.resources import pod, resource, seen, spec_of


def test_missing_fields_have_defaults() -> None:
    spec = read_spec({"spec": {"database": {"connectionBudget": 80}}})
    assert (spec.mode, spec.paused, spec.acts) == ("Apply", False, True)
    assert (spec.database.headroom, spec.database.floor, spec.database.per_pod_max) == (5, 1, 32)
    assert spec.database.max_pods is None
    assert spec.memcached_megabytes is None


@pytest.mark.parametrize(("changes", "acts"), [({"mode": "Observe"}, False), ({"paused": True}, False), ({}, True)])
def test_nothing_is_touched_when_observing_or_paused(changes: dict[str, Any], acts: bool) -> None:
    assert spec_of(**changes).acts is acts


@pytest.mark.parametrize(
    ("database", "message"),
    [
        (
            {"connectionBudget": 30, "maxPods": 13, "perPod": {"floor": 2}},
            "floor 2 x maxPods 13 + headroom 5 = 31 > connectionBudget 30; connectionBudget 31, or maxPods 12, or",
        ),
        ({"connectionBudget": 3}, "floor 1 x maxPods 1 + headroom 5 = 6 > connectionBudget 3; connectionBudget 6"),
        ({"connectionBudget": 80, "perPod": {"floor": 40}}, "perPod.floor 40 > perPod.max 32; perPod.max 40, or"),
        ({"connectionBudget": 80, "perPod": {"floor": 0}}, "PgBouncer reads 0 as unlimited"),
        ({"connectionBudget": "many"}, "spec.database.connectionBudget is 'many', it must be a whole number"),
        ({"connectionBudget": True}, "spec.database.connectionBudget is True"),
        ({"headroom": 5}, "spec.database.connectionBudget is missing: the most connections"),
        (
            {"connectionBudget": 80, "headroom": -1},
            "spec.database.headroom is -1, it must be a whole number of at least 0",
        ),
    ],
)
def test_error_gives_the_nearest_valid_value(database: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_of(database=database)
    assert message in str(caught.value)


def replicas(*given: dict[str, Any]) -> dict[str, Any]:
    return {"connectionBudget": 80, "maxPods": 13, "replicas": list(given)}


def test_each_replica_has_its_own_budget_and_the_floor_of_the_primary() -> None:
    spec = spec_of(database=replicas({"name": "a", "connectionBudget": 40}, {"name": "b", "connectionBudget": 18}))
    assert [(each.name, each.connection_budget, each.headroom) for each in spec.database.replicas] == [
        ("a", 40, 5),
        ("b", 18, 5),
    ]
    parameters = budget_parameters(spec.of(spec.database.replicas[0]), seen(), "me")
    assert (parameters.budget, parameters.headroom, parameters.floor, parameters.max_pods) == (40, 5, 1, 13)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [{"name": "a", "connectionBudget": 17}],
            "replica a: floor 1 x maxPods 13 + headroom 5 = 18 > connectionBudget",
        ),
        ([{"name": "a"}], "spec.database.replicas[0].connectionBudget is missing"),
        ([{"name": "a", "connectionBudget": 40, "headroom": -1}], "spec.database.replicas[0].headroom is -1"),
        ([{"name": "a", "connectionBudget": 40}] * 2, "no name twice"),
        ([{"connectionBudget": 40}], "needs a name for each"),
    ],
)
def test_replicas_that_cannot_work_are_named(given: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_of(database=replicas(*given))
    assert message in str(caught.value)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(SpecError, match=r"spec.mode 'Guess'.*spec.target.queue is unknown.*headroom"):
        read_spec(
            {"spec": {"mode": "Guess", "target": {"queue": "q"}, "database": {"connectionBudget": 9, "headroom": "a"}}}
        )


def test_suggested_values_are_valid() -> None:
    for better in ({"connectionBudget": 31}, {"maxPods": 12}, {"perPod": {"floor": 1}}):
        spec_of(database={"connectionBudget": 30, "maxPods": 13, "perPod": {"floor": 2}} | better)


def test_max_pods_below_the_autoscaler_maximum_is_a_problem() -> None:
    spec, observed = spec_of(), seen(hpa_max=8)
    assert problems(spec, observed) == (
        "2 x HPA max 8 + surge 1 = 17 pods can exist at once > maxPods 5; maxPods 17, or HPA max 2, would work",
    )
    assert budget_parameters(spec, observed, "me").max_pods == 17
    assert problems(spec, seen(hpa_max=2)) == ()


def test_max_pods_defaults_to_the_workloads_maximum() -> None:
    spec = spec_of(database={"connectionBudget": 80})
    assert budget_parameters(spec, seen(hpa_max=6), "me").max_pods == 13
    assert Workload(replicas=3, surge=2).pods_at_most == 8


def test_sidecars_that_start_with_more_than_the_floor_are_a_problem() -> None:
    (message,) = problems(spec_of(), seen(pod("a", born_with=3)))
    assert message.startswith("sidecars start with 3 connections, more than perPod.floor 1")


def test_service_reads_the_generated_tuning_file() -> None:
    spec = spec_of(
        cache={"memcachedMegabytes": 64, "user": {"capacity": 5, "ttlSeconds": 6}, "leaseMilliseconds": 20},
        limits={"loginFailuresPerAccount": 3},
        passwords={"bcryptCost": 11},
        compression={"enabled": False, "minimumBytes": 9},
    )
    tuning = read_tuning(json.dumps(tuning_file(spec, 12)).encode(), Tuning())
    assert tuning.generation == 12
    assert tuning.cache == Caches(user=CacheTuning(5, 6), lease_ms=20)
    assert (tuning.limits.login_failures_per_account, tuning.limits.logins_per_address) == (3, 60)
    assert (tuning.passwords.bcrypt_cost, tuning.compression.minimum_bytes) == (11, 9)
    assert tuning.database.acquire_timeout_ms == 8000


def test_missing_fields_are_left_to_the_service() -> None:
    assert set(tuning_file(spec_of(), 1)) == {"generation", "database"}


def test_timeouts_are_settings_of_pgbouncer() -> None:
    spec = read_spec(resource(database={"connectionBudget": 9, "timeouts": {"idleSeconds": 30, "queryWaitSeconds": 4}}))
    assert console_settings(spec) == {"query_wait_timeout": 4, "server_idle_timeout": 30}
