"""The whole budget protocol: the real `decide` in random runs, and in every order of small scenes.

BUDGET_STEPS is the number of moves in the random runs, BUDGET_STATES the most states of a scene that are explored.
"""

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.unit.operator.model import exhaustive, mutations
from tests.unit.operator.model.exhaustive import SCENES, Scene, explore
from tests.unit.operator.model.sim_operator import Rules
from tests.unit.operator.model.traffic import Traffic, play, settle

STEPS = int(os.environ.get("BUDGET_STEPS", "80000"))
STATES = int(os.environ.get("BUDGET_STATES", "4000"))
RUN = 500
PORTIONS = 8
pytestmark = pytest.mark.timeout(600 + STEPS // 500 + STATES // 100)

EXHAUSTED: dict[Callable[[], Any], Scene] = {
    mutations.terminating_pods_are_forgotten: exhaustive.replaced_pods,
    mutations.unborn_pods_are_forgotten: exhaustive.edited,
    mutations.nothing_lingers: exhaustive.killed_sidecars,
    mutations.a_deleted_pod_is_a_dead_one: exhaustive.forced_deletion,
    mutations.unreachable_pods_are_forgotten: exhaustive.lost_node,
    mutations.a_lost_node_is_a_dead_one: exhaustive.lost_node,
    mutations.a_small_number_is_believed: exhaustive.killed_sidecars,
    mutations.nothing_is_on_its_way: exhaustive.lost_commands,
    mutations.one_connection_speaks_for_all: exhaustive.lost_commands,
    mutations.shrinking_is_believed_before_it_is_seen: exhaustive.set_by_hand,
    mutations.growing_is_not_recorded: exhaustive.four_pods,
    mutations.a_new_operator_trusts_the_clock_of_the_old: exhaustive.crashes,
    mutations.a_lost_ledger_is_an_empty_one: exhaustive.lost_ledger,
}
RARE = (
    mutations.a_lost_node_is_a_dead_one,
    mutations.nothing_is_on_its_way,
    mutations.one_connection_speaks_for_all,
    mutations.a_new_operator_trusts_the_clock_of_the_old,
    mutations.floors_are_free,
)
ACTING_EXHAUSTED = {
    "overwrites another's record": exhaustive.two_operators,
    "acts without the Lease": exhaustive.late_operator,
}

LATE = {"does not check the size": 249, "acts before it records": 257}
"""The seed from which the search starts."""


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_the_budget_is_kept_whatever_happens(portion: int) -> None:
    seeds = range(portion, STEPS // RUN, PORTIONS)
    results = [play(seed, RUN) for seed in seeds]
    assert [violation for _, violation in results if violation] == []
    assert sum(steps for steps, _ in results) == len(seeds) * RUN


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_budget_is_kept_in_every_order_of_a_small_scene(scene: Scene) -> None:
    outcome = explore(scene, most=STATES)
    assert not outcome.violation, outcome.path
    assert outcome.states >= 300


def test_all_demand_is_granted_once_nothing_else_happens() -> None:
    for seed in range(40):
        traffic = Traffic(Random(seed), Rules())
        for _ in range(250):
            assert not traffic.step()
        settle(traffic)


@pytest.mark.parametrize(
    "mutation", [each for each in mutations.DECIDING if each not in RARE], ids=lambda each: each.__name__
)
def test_mutation_of_deciding_is_found_in_random_runs(mutation: Callable[[], Any]) -> None:
    with mutation():
        assert found_by_chance(Rules())


@pytest.mark.parametrize("name", sorted(mutations.ACTING.keys() - ACTING_EXHAUSTED.keys()))
def test_mutation_of_acting_is_found_in_random_runs(name: str) -> None:
    assert found_by_chance(mutations.ACTING[name], LATE.get(name, 0))


@pytest.mark.parametrize("mutation", EXHAUSTED, ids=lambda each: each.__name__)
def test_mutation_is_found_in_a_scene(mutation: Callable[[], Any]) -> None:
    with mutation():
        assert explore(EXHAUSTED[mutation], deep=True).violation


@pytest.mark.parametrize("name", ACTING_EXHAUSTED)
def test_mutation_of_acting_is_found_in_a_scene(name: str) -> None:
    assert explore(ACTING_EXHAUSTED[name], mutations.ACTING[name], deep=True).violation


@pytest.mark.parametrize("change", mutations.NO_RULES, ids=lambda each: each.__name__)
def test_harmless_change_breaks_no_rule(change: Callable[[], Any]) -> None:
    with change():
        assert [violation for seed in range(20) if (violation := play(seed, RUN)[1])] == []


def found_by_chance(rules: Rules, first: int = 0) -> str:
    return next((violation for seed in range(first, first + 400) if (violation := play(seed, RUN, rules)[1])), "")
