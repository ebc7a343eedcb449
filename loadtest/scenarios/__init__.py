"""The measurements: each module has one `run(bed, effort)` that returns its rows of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from loadtest.bed import Bed
from loadtest.report import Row


@dataclass(frozen=True)
class Effort:
    """How much to measure: `rounds` of `seconds` each, and `samples` of single requests."""

    rounds: int
    seconds: float
    samples: int


QUICK = Effort(rounds=2, seconds=2, samples=500)
FULL = Effort(rounds=5, seconds=4, samples=2000)

Scenario = Callable[[Bed, Effort], list[Row]]
