"""The same world under hypothesis, which shortens a run that violates the budget.

It makes fewer steps than test_budget.py; MACHINE_EXAMPLES is the number of runs, each of up to 60 rules.
"""

import os
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.operator.model.sim_operator import Rules
from tests.unit.operator.model.traffic import WEIGHTS, Traffic, settle

EVENTS = st.sampled_from(sorted(WEIGHTS.keys() - {"advance"}))


class Budget(RuleBasedStateMachine):
    """Hypothesis chooses the events; a seed chooses the pods and operators that they happen to."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.traffic = Traffic(Random(seed), Rules())

    @rule(event=EVENTS)
    def something_happens(self, event: str) -> None:
        self.traffic.events[event]()

    @rule(moves=st.integers(1, 12))
    def operators_go_on(self, moves: int) -> None:
        for _ in range(moves):
            self.traffic.on_advance()
            assert self.traffic.world.check() == ""

    @invariant()
    def the_budget_is_kept(self) -> None:
        if hasattr(self, "traffic"):
            assert self.traffic.world.check() == ""

    def teardown(self) -> None:
        if hasattr(self, "traffic"):
            settle(self.traffic)


Budget.TestCase.settings = settings(
    max_examples=int(os.environ.get("MACHINE_EXAMPLES", "40")),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBudget = Budget.TestCase
