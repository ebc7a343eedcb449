"""In every upgrade, in any order of its parts, old and new pods together stay within the budget.

ROLLOUT_RUNS is how many random runs of 600 steps the model makes.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from tests.unit.operator.model import chart_budget
from tests.unit.operator.model.chart_budget import Refusal, Release, Running, rollout
from tests.unit.operator.model.rollouts import Rollouts, play

RUNS, STEPS = int(os.environ.get("ROLLOUT_RUNS", "40")), 600
WITHOUT = Running(operator=False, pool_size=5, floor=5, pods=13, max_pods=0, most=6, budget=70)


def every_upgrade_is_taken() -> Any:
    return patch.object(chart_budget, "rollout", lambda running, new: None)


def old_pods_are_taken_for_new_ones() -> Any:
    return _seeing(lambda running, new: replace(running, pool_size=0) if not running.operator else running)


def what_the_operator_granted_is_not_known() -> Any:
    return _seeing(lambda running, new: replace(running, pool_size=running.floor) if running.operator else running)


def the_new_maximum_alone_counts() -> Any:
    return _seeing(lambda running, new: replace(running, pods=new.least) if not running.operator else running)


def the_old_maximum_alone_counts() -> Any:
    """In the size of a rollout and in the number of floors that the operator keeps."""

    def refused(running: Running, new: Release) -> Refusal | None:
        return rollout(running, replace(new, replicas=min(new.replicas, running.most), max_pods=new.slots))

    return patch.object(chart_budget, "rollout", refused)


def a_higher_floor_is_free() -> Any:
    return _seeing(lambda running, new: replace(running, floor=max(running.floor, new.floor)))


def terminating_pods_are_gone() -> Any:
    return patch.object(Rollouts, "pods_seen", lambda self: self.most + self.surge)


def only_the_template_tells_sizes() -> Any:
    return patch.object(Rollouts, "pool_sizes", lambda self: [self.template.start])


def an_edit_holds_at_once() -> Any:
    def running(self: Rollouts) -> Running:
        with patch.object(self, "converged", new=True):
            return real(self)

    real = Rollouts.running
    return patch.object(Rollouts, "running", running)


def _seeing(changed: Callable[[Running, Release], Running]) -> Any:
    return patch.object(chart_budget, "rollout", lambda running, new: rollout(changed(running, new), new))


# Each with the seed from which the search starts.
MUTATIONS = {
    every_upgrade_is_taken: 2,
    old_pods_are_taken_for_new_ones: 2,
    what_the_operator_granted_is_not_known: 24,
    the_new_maximum_alone_counts: 57,
    the_old_maximum_alone_counts: 22,
    a_higher_floor_is_free: 532,
    terminating_pods_are_gone: 414,
    only_the_template_tells_sizes: 64,
    an_edit_holds_at_once: 29,
}


@pytest.mark.timeout(600 + RUNS)
def test_old_and_new_pods_together_stay_within_the_budget() -> None:
    assert [violation for seed in range(RUNS) if (violation := play(seed, STEPS))] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.__name__)
def test_mutation_of_an_upgrade_rule_is_found(mutation: Callable[[], Any]) -> None:
    first = MUTATIONS[mutation]
    with mutation():
        assert next((violation for seed in range(first, first + 3000) if (violation := play(seed, STEPS))), "")


def test_refused_upgrade_is_allowed_after_its_first_step() -> None:
    random, taken = Random(5), 0
    for _ in range(2000):
        most, new = random.randint(1, 20), Release(budget=160, replicas=random.randint(1, 20))
        before = Release(budget=160, replicas=most)
        refusal = rollout(_of(before), new)
        if refusal is None:
            continue
        assert refusal.first is not None
        assert rollout(_of(before), refusal.first) is None
        assert rollout(_of(refusal.first), new) is None
        taken += 1
    assert taken > 500


def _of(release: Release) -> Running:
    size = release.share
    budget = size * release.least + release.headroom
    return Running(False, size, size, release.least, 0, release.replicas, budget)


def test_harmless_upgrade_is_not_refused() -> None:
    harmless = (
        Release(),
        Release(budget=40),
        Release(budget=200),
        Release(max_pods=37),
        Release(operator=True),
        Release(replicas=5),
    )
    assert [new for new in harmless if rollout(WITHOUT, new) is not None] == [Release(replicas=5)]
    assert rollout(WITHOUT, Release(replicas=5, max_pods=13)) is None
