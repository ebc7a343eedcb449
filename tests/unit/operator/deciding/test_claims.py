"""Of several resources with the same target the oldest acts; grants of the previous owner still count.

SHARING_RUNS is how many random runs of 400 steps the model makes.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobfinder_operator.deciding.budget import decide
from jobfinder_operator.deciding.claims import Claim, TargetTaken, check, handed_on, recorded_elsewhere
from jobfinder_operator.deciding.ledger import Entry, Ghost, Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import PodSeen, Reading, Snapshot, Workload
from tests.unit.operator.model import mutations
from tests.unit.operator.model.sharing import play

RUNS, STEPS = int(os.environ.get("SHARING_RUNS", "30")), 400
NOW = 100.0
PARAMETERS = Parameters(budget=30, max_pods=2, headroom=2, per_pod_max=4, holder="me")
pytestmark = pytest.mark.timeout(600 + 2 * RUNS)


def claim(name: str, second: int, *things: str, **more: Any) -> Claim:
    return Claim(name, (f"2026-01-01T00:00:{second:02}Z", name), frozenset(things), **more)


def entry(name: str, cap: int, **more: Any) -> Entry:
    return replace(Entry(name, name, cap, cap, cap, f"s-{name}", born_with=1), **more)


def pod(name: str, size: int | None = None, at: float = NOW, **more: Any) -> PodSeen:
    reading = None if size is None else Reading(at, f"new-{name}", size, size)
    return PodSeen(name, name, born_with=1, reading=reading, **more)


def seen(*pods: PodSeen, **more: Any) -> Snapshot:
    return Snapshot(NOW, pods, Workload(born_with=1), **more)


@pytest.mark.parametrize(
    ("mine", "taken"),
    [
        (claim("b", 2, "Deployment app", "PostgreSQL h:5432/jobs"), "Deployment app and PostgreSQL h:5432/jobs"),
        (claim("b", 2, "Deployment other", "PostgreSQL h:5432/jobs"), "PostgreSQL h:5432/jobs"),
        (claim("b", 1, "Deployment app"), "Deployment app"),
        (claim("b", 2, "Deployment other", "PostgreSQL h:5432/other"), ""),
        (claim("Z", 1, "Deployment app"), ""),
        (claim("b", 0, "Deployment app", "PostgreSQL h:5432/jobs"), ""),
    ],
)
def test_the_oldest_owns_a_deployment_and_a_database(mine: Claim, taken: str) -> None:
    owner = claim("a", 1, "Deployment app", "PostgreSQL h:5432/jobs")
    if not taken:
        check(mine, [owner])
        return
    with pytest.raises(TargetTaken, match=f"^{taken} belongs to JobFinderConfig a, which is older"):
        check(mine, [owner])


def test_other_resources_keep_a_copy_of_the_owners_ledger() -> None:
    theirs = Ledger("op", pods={"p": entry("p", 9)}, ghosts=(Ghost("g", "g", 3, 107.0, 7.0),))
    before = Ledger("op", pods={"p": entry("p", 2), "q": entry("q", 5)}, ghosts=(Ghost("h", "h", 1, 107.0, 7.0),))
    kept = handed_on(before, claim("a", 1, ledger=theirs, per_pod_max=16))
    assert (kept.holder, kept.most) == ("", 16)
    assert {uid: each.cap for uid, each in kept.pods.items()} == {"p": 9, "q": 5}
    assert [ghost.uid for ghost in kept.ghosts] == ["g", "h"]
    assert handed_on(kept, claim("a", 1, ledger=theirs, per_pod_max=16)).ghosts == theirs.ghosts
    assert Ledger.from_dict(kept.to_dict()) == kept


def test_ledgers_of_replicas_are_handed_on_too() -> None:
    theirs = Ledger("op", pods={"p": entry("p", 9)})
    owner = claim("a", 1, "Deployment app", per_pod_max=16, replicas={"x": theirs, "y": None})
    own = Ledger("op", pods={"q": entry("q", 4)})
    with pytest.raises(TargetTaken) as taken:
        check(claim("b", 2, "Deployment app", replicas={"z": own}), [owner])
    assert {name: each.pods for name, each in taken.value.replicas.items()} == {
        "x": theirs.pods,
        "y": {},
        "z": own.pods,
    }
    assert {(each.holder, each.most) for each in taken.value.replicas.values()} == {("", 16)}


def test_nothing_grows_before_a_copied_ledger_is_confirmed() -> None:
    copied = handed_on(None, claim("a", 1, ledger=Ledger("op", pods={"p": entry("p", 9)}), per_pod_max=16))
    first = decide(PARAMETERS, copied, seen(pod("p", 1), pod("q")), NOW)
    assert {uid: each.cap for uid, each in first.ledger.pods.items()} == {"p": 16, "q": 16}
    assert first.ledger.blind_until > NOW
    assert not first.steps
    assert first.ledger.holder == "me"
    later = first.ledger.blind_until + PARAMETERS.linger_seconds
    sizes = replace(seen(pod("p", 3, later), pod("q", 1, later)), at=later)
    proven = decide(PARAMETERS, first.ledger, sizes, later)
    assert {uid: each.cap for uid, each in proven.ledger.pods.items()} == {"p": 3, "q": 1}


def test_pods_of_other_deployments_count_but_are_not_changed() -> None:
    ledger, parameters = Ledger("me", pods={"n": entry("n", 6)}), replace(PARAMETERS, per_pod_max=32)
    around = seen(pod("p", 1), neighbours=(pod("n"), pod("m")), neighbour_floors=3, recorded={"m": 4})
    decision = decide(parameters, ledger, around, NOW)
    assert decision.sums.reserved == 3 + (6 - 1) + (4 - 1)
    assert {step.uid for step in decision.steps} == {"p"}
    assert decision.sums.total == decision.sums.budget == 30
    gone = decide(parameters, decision.ledger, replace(around, neighbours=(pod("m"),)), NOW)
    assert gone.sums.reserved == 3 + (4 - 1) + (6 - 1), "its backends linger, in place of a pod"


def test_other_deployments_can_leave_no_room() -> None:
    decision = decide(PARAMETERS, Ledger("me"), seen(pod("p", 1), neighbour_floors=27), NOW)
    assert decision.infeasible.startswith(
        "floor 1 x maxPods 2 + headroom 2 + 27 of other Deployments = 31 > connectionBudget 30"
    )
    assert not decision.steps


def test_the_larger_of_two_records_counts() -> None:
    ledgers = [Ledger("x", pods={"p": entry("p", cap)}) for cap in (3, 7, 5)]
    assert recorded_elsewhere([claim("a", 1, ledger=each) for each in (*ledgers, None)]) == {"p": 7}


def test_budget_is_kept_with_changing_owners() -> None:
    assert [violation for seed in range(RUNS) if (violation := play(seed, STEPS))] == []


@pytest.mark.parametrize("mutation", mutations.SHARING, ids=lambda each: each.__name__)
def test_mutation_of_a_sharing_rule_is_found(mutation: Callable[[], Any]) -> None:
    first = mutations.SHARING[mutation]
    with mutation():
        assert next((violation for seed in range(first, first + 1000) if (violation := play(seed, STEPS))), "")
