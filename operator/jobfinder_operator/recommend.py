"""Sizes that what was observed speaks for, with a reason each; a person applies them."""

from dataclasses import dataclass

from jobfinder_operator.budget import Decision
from jobfinder_operator.observed import Observed
from jobfinder_operator.spec import Spec


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`field` is a path in the spec, such as `database.connectionBudget`."""

    field: str
    current: int
    value: int
    reason: str


def recommend(spec: Spec, observed: Observed, decision: Decision) -> tuple[Recommendation, ...]:
    """In a fixed order; empty when nothing speaks for a change."""
    raise NotImplementedError
