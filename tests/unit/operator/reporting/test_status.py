"""The status: messages with the numbers, and transition times that change with a condition's status alone."""

from dataclasses import replace
from typing import Any

import pytest

from jobfinder_operator.deciding.ledger import Entry, Ghost, Ledger
from jobfinder_operator.deciding.snapshot import AppReading, Phase, Snapshot
from jobfinder_operator.reporting.conditions import Pools
from jobfinder_operator.reporting.status import Situation, TuningState, build, without_times
from jobfinder_operator.spec import Spec
from tests.unit.operator.resources import MEGABYTE, decided, pod, resource, seen, server, spec_of
from tests.unit.operator.test_crd import SCHEMA, unknown

AT, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z"
KINDS = ["Ready", "BudgetFeasible", "BudgetConverged", "TuningApplied", "CacheTuned", "Degraded"]


def ledger(*sizes: tuple[str, int], **more: Any) -> Ledger:
    return Ledger("me", pods={n: Entry(n, n, cap, cap, cap, f"s-{n}", born_with=1) for n, cap in sizes}, **more)


def status(spec: Spec, observed: Snapshot, kept: Ledger | None = None, **more: Any) -> dict[str, Any]:
    old = more.pop("old", {})
    decision = decided(spec, observed, ledger=kept)
    situation = Situation(spec, observed, decision, more.pop("tuning", TuningState(7)))
    return build(situation, resource() | {"status": old}, more.pop("at", AT))


def condition(found: dict[str, Any], kind: str) -> tuple[str, str, str]:
    (each,) = (each for each in found["conditions"] if each["type"] == kind)
    return each["status"], each["reason"], each["message"]


QUIET = seen(pod("a", 16), pod("b", 16), memcached=(server(),))
QUIET_LEDGER = ledger(("a", 16), ("b", 16))


def test_all_conditions_are_good_when_nothing_is_wrong() -> None:
    found = status(spec_of(cache={"memcachedMegabytes": 64}), QUIET, QUIET_LEDGER)
    assert [each["type"] for each in found["conditions"]] == KINDS
    assert [condition(found, kind)[0] for kind in KINDS] == ["True"] * 5 + ["False"]
    assert condition(found, "Ready")[2] == "2 pods may have 32 of 40 connections, 32 are in use, 0 clients wait."
    assert condition(found, "BudgetConverged")[2] == (
        "2 pods with 32 connections together: floor 1 x 5 pods + 30 granted above + headroom 5 = 40."
    )
    assert found["observedGeneration"] == 4


def with_replica(observed: Snapshot, kept: Ledger, **more: Any) -> dict[str, Any]:
    """The status where the primary's pods are quiet, and those of the replica `a`, with a budget of 20, as given."""
    spec = spec_of(database={"connectionBudget": 40, "maxPods": 5, "replicas": [{"name": "a", "connectionBudget": 20}]})
    own = spec.of(spec.database.replicas[0])
    pools = Pools(own, observed, decided(own, observed, ledger=kept))
    primary = decided(spec, QUIET, ledger=QUIET_LEDGER)
    situation = Situation(spec, QUIET, primary, TuningState(7), replicas={"a": pools})
    return build(situation, resource(), AT)


def test_status_tells_what_is_applied_for_each_replica() -> None:
    found = with_replica(seen(pod("a", 6), pod("b", 6)), ledger(("a", 6), ("b", 6)))
    assert condition(found, "BudgetConverged")[0] == condition(found, "Ready")[0] == "True"
    (replica,) = found["replicas"]
    assert replica["name"] == "a" and replica["budget"]["total"] == replica["budget"]["budget"] == 20
    assert [(each["name"], each["cap"]) for each in replica["pods"]] == [("a", 6), ("b", 6)]
    assert {each["cap"] for each in replica["ledger"]["pods"]} == {6}
    assert unknown(found, SCHEMA["status"]) == []


def test_conditions_name_the_replica_whose_pools_are_not_as_they_should_be() -> None:
    found = with_replica(seen(pod("a", 6), pod("b", 1)), ledger(("a", 6), ("b", 1)))
    assert condition(found, "BudgetConverged")[:2] == ("False", "Applying")
    assert condition(found, "BudgetConverged")[2].startswith("Replica a: b (")
    silent = with_replica(seen(pod("a", 6), pod("b", 6, reading=None)), ledger(("a", 6), ("b", 6)))
    assert condition(silent, "Degraded")[2] == "Replica a: PgBouncer of b does not answer the operator."
    assert condition(silent, "Ready")[0] == "False"


def test_status_has_the_sums_of_the_budget() -> None:
    kept = replace(QUIET_LEDGER, ghosts=(Ghost("x", "x", 2, 105.0, 7.0),))
    found = status(spec_of(), QUIET, kept)["budget"]
    assert found["floor"] * found["slots"] + found["aboveFloor"] + found["headroom"] == found["total"]
    assert found["total"] + found["free"] == found["budget"] == 40
    assert (found["pods"], found["holders"], found["unborn"], found["lingering"]) == (2, 3, 2, 2)


def test_transition_time_changes_with_the_status_not_with_the_message() -> None:
    first = status(spec_of(), QUIET, QUIET_LEDGER)
    busier = seen(pod("a", 16, waiting=3), pod("b", 16), memcached=(server(),))
    second = status(spec_of(), busier, QUIET_LEDGER, old=first, at=LATER)
    assert {each["lastTransitionTime"] for each in second["conditions"]} == {AT}
    assert condition(second, "Ready")[2] != condition(first, "Ready")[2]
    down = seen(pod("a", 16), pod("b", 16), memcached=(server(up=False),))
    third = status(spec_of(), down, QUIET_LEDGER, old=second, at=LATER)
    changed = {each["type"] for each in third["conditions"] if each["lastTransitionTime"] == LATER}
    assert changed == {"Ready", "CacheTuned", "Degraded"}


def test_changed_usage_alone_causes_no_write() -> None:
    first = status(spec_of(), QUIET, QUIET_LEDGER)
    busier = seen(pod("a", 16, servers=9, waiting=3), pod("b", 16), memcached=(server(hits=9),))
    assert without_times(first) == without_times(status(spec_of(), busier, QUIET_LEDGER))
    other = status(spec_of(), QUIET, QUIET_LEDGER, tuning=TuningState(8))
    assert without_times(first) != without_times(other)


def test_max_pods_below_the_autoscaler_maximum_is_infeasible() -> None:
    found = status(spec_of(), seen(pod("a"), pod("b"), hpa_max=8))
    assert condition(found, "BudgetFeasible")[:2] == ("False", "MaxPodsTooFew")
    assert "maxPods 17, or HPA max 2, would work" in condition(found, "BudgetFeasible")[2]
    assert condition(found, "Ready")[0] == "False"
    assert [each["field"] for each in found["recommended"]] == ["database.maxPods"]


def test_floors_that_do_not_fit_change_nothing() -> None:
    observed = seen(pod("a", 9), pod("b", 9), hpa_max=30)
    decision = decided(spec_of(), observed, ledger=ledger(("a", 9), ("b", 9)))
    assert decision.steps == ()
    found = status(spec_of(), observed, ledger(("a", 9), ("b", 9)))
    assert condition(found, "BudgetFeasible")[:2] == ("False", "FloorsExceedBudget")
    assert "floor 1 x maxPods 61 + headroom 5 = 66 > connectionBudget 40" in condition(found, "BudgetFeasible")[2]
    assert condition(found, "BudgetFeasible")[2].endswith("Nothing is changed.")


def test_more_pods_than_max_pods_degrade() -> None:
    spec = spec_of(database={"connectionBudget": 40, "maxPods": 5})
    found = status(
        spec, seen(*(pod(f"p{number}", 6) for number in range(6))), ledger(*((f"p{n}", 6) for n in range(6)))
    )
    assert condition(found, "Degraded")[1:] == (
        "TooManyPods",
        "There are 6 pods, maxPods is 5; maxPods 6 would work. 41 connections are possible, connectionBudget is 40.",
    )
    assert condition(found, "BudgetConverged")[1] == "TooManyPods"


def test_lingering_connections_delay_convergence() -> None:
    kept = replace(ledger(("a", 16), ("b", 1)), ghosts=(Ghost("x", "x", 16, 105.0, 7.0),))
    found = status(spec_of(), seen(pod("a", 16), pod("b", 1)), kept)
    assert condition(found, "BudgetConverged")[0] == "False"
    assert found["budget"]["lingering"] == 16


def test_a_new_ledger_is_being_learned() -> None:
    observed = QUIET
    decision = decided(spec_of(), observed)
    lost = replace(decision, ledger=replace(decision.ledger, blind_until=107.0))
    found = build(Situation(spec_of(), observed, lost, TuningState(7)), resource(), AT)
    assert condition(found, "BudgetConverged")[1] == "Learning"
    assert condition(found, "Degraded")[0] == "False"


@pytest.mark.parametrize(
    ("app", "verdict"),
    [
        (AppReading(generations=(7, 7)), ("True", "Applied", "Every worker of 2 pods has applied generation 7.")),
        (AppReading(generations=(7, 6)), ("False", "Applying", "1 of 2 pods have applied generation 7; a not yet.")),
        (None, ("False", "Applying", "1 of 2 pods have applied generation 7; a not yet.")),
    ],
)
def test_tuning_is_applied_when_every_worker_says_so(app: AppReading | None, verdict: tuple[str, str, str]) -> None:
    assert condition(status(spec_of(), seen(pod("a", app=app), pod("b"))), "TuningApplied") == verdict


def test_refused_tuning_degrades() -> None:
    found = status(spec_of(), QUIET, QUIET_LEDGER, tuning=TuningState(8, "generation 7 is refused by a"))
    assert condition(found, "TuningApplied") == ("False", "Refused", "generation 7 is refused by a.")
    assert condition(found, "Ready")[1] == "TuningRefused"


@pytest.mark.parametrize(
    ("wanted", "servers", "reason"),
    [
        (64, (server(),), "Applied"),
        (128, (server(),), "Applying"),
        (None, (server(),), "NotManaged"),
        (64, (), "NoMemcached"),
        (64, (server(), server("memcached-1", up=False)), "Unreachable"),
        (200, (server(container_limit_bytes=200 * MEGABYTE),), "TooMuch"),
    ],
)
def test_cache_condition_gives_the_reason(wanted: int | None, servers: Any, reason: str) -> None:
    spec = spec_of(cache={} if wanted is None else {"memcachedMegabytes": wanted})
    assert condition(status(spec, seen(pod("a"), memcached=servers)), "CacheTuned")[1] == reason


def test_observe_mode_reports_the_changes_it_would_make() -> None:
    found = status(spec_of(mode="Observe"), seen(pod("a"), pod("b")))
    assert condition(found, "BudgetConverged")[:2] == ("False", "Observing")
    assert condition(found, "BudgetConverged")[2].startswith("a (1 -> 16), b (1 -> 16) would be changed")
    assert condition(found, "Ready")[:2] == ("True", "Observing")


def test_status_of_an_invalid_resource_keeps_the_last_numbers() -> None:
    old = status(spec_of(), QUIET, QUIET_LEDGER)
    found = build(Situation(None, Snapshot(0), None, error="no budget"), resource() | {"status": old}, LATER)
    assert condition(found, "Ready") == ("False", "NotFollowed", "no budget. Nothing is changed until then.")
    assert condition(found, "BudgetConverged")[0] == "Unknown"
    assert found["budget"] == old["budget"]


def test_pods_have_the_time_of_their_last_change() -> None:
    first = status(spec_of(), QUIET, QUIET_LEDGER)
    second = status(spec_of(), QUIET, QUIET_LEDGER, old=first, at=LATER)
    assert [each["since"] for each in second["pods"]] == [AT, AT]
    leaving = seen(pod("a", 16, phase=Phase.TERMINATING), pod("b", 16), memcached=(server(),))
    third = status(spec_of(), leaving, QUIET_LEDGER, old=second, at=LATER)
    assert {each["name"]: (each["phase"], each["since"]) for each in third["pods"]} == {
        "a": ("Terminating", LATER),
        "b": ("Running", AT),
    }
    assert first["pods"][0] == {
        "name": "a", "phase": "Running", "cap": 16, "target": 16, "since": AT, "used": 16, "waiting": 0,
        "tuningGeneration": 7,
    }  # fmt: skip


def test_only_the_busiest_of_many_pods_are_shown() -> None:
    spec = spec_of(database={"connectionBudget": 300, "maxPods": 150})
    pods = [pod(f"p{number:03}", waiting=number if number > 100 else 0) for number in range(120)]
    found = status(spec, seen(*pods, hpa_max=70))
    assert len(found["pods"]) == 20
    assert [each["name"] for each in found["pods"]][:2] == ["p119", "p118"]
    assert found["budget"]["pods"] == 120


def test_recommendations_have_a_reason() -> None:
    spec = spec_of(cache={"memcachedMegabytes": 64, "user": {"capacity": 100}})
    full = server(used_bytes=60 * MEGABYTE, hits=80_000, misses=20_000, evictions=5)
    app = AppReading(generations=(7,), users_cached=99, cache_hits=50_000, cache_misses=50_000)
    busy = seen(pod("a", 16, app=app), pod("b", 16), memcached=(full,), demands={"a": 20.0, "b": 1.0})
    found = {each["field"]: each for each in status(spec, busy, QUIET_LEDGER)["recommended"]}
    assert (found["cache.memcachedMegabytes"]["current"], found["cache.memcachedMegabytes"]["value"]) == (64, 128)
    assert found["cache.user.capacity"]["value"] == 200
    assert all(each["reason"] for each in found.values())


def test_a_busy_budget_is_recommended_to_grow() -> None:
    busy = seen(pod("a", 16), pod("b", 16), demands={"a": 15.0, "b": 15.0})
    found = {each["field"]: each for each in status(spec_of(), busy, QUIET_LEDGER)["recommended"]}
    assert found["database.connectionBudget"]["value"] > 40
    assert "2 of 2 pods use more than 70%" in found["database.connectionBudget"]["reason"]
