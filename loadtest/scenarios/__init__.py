"""The measurements: each module has one `run(bed, effort)` that returns its rows of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loadtest.bed import Bed
from loadtest.report import Row


@dataclass(frozen=True)
class Effort:
    """How much to measure: `rounds` of `seconds` each, and `samples` of single requests."""

    rounds: int
    seconds: float
    samples: int


QUICK = Effort(rounds=2, seconds=2, samples=200)
FULL = Effort(rounds=5, seconds=4, samples=2000)
MOST_S = {True: 240.0, False: 1200.0}
"""Seconds that `make bench` may take on two idle cores, quick or not."""

Run = Callable[[Bed, Effort], list[Row]]


class Scenario(Protocol):
    """A module of this package that belongs to `make bench`."""

    def planned_s(self, effort: Effort) -> float: ...

    def run(self, bed: Bed, effort: Effort) -> list[Row]: ...
