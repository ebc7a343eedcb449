"""What became of each operation of the load, and when all is well again."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

NO_ANSWER, LATE = "no answer", "late"


@dataclass(frozen=True, slots=True)
class Done:
    """An operation of a kind; times in seconds of the monotonic clock. `outcome` is empty if it succeeded in time."""

    kind: str
    due: float
    end: float
    outcome: str


class Log:
    """All operations; `in_row` is for each kind how many in a row must succeed until it counts as recovered."""

    def __init__(self, in_row: dict[str, int]) -> None:
        self.in_row = in_row
        self._lock = threading.Lock()
        self._done: list[Done] = []

    def add(self, done: Done) -> None:
        with self._lock:
            self._done.append(done)

    def within(self, start: float, end: float) -> list[Done]:
        """What was due from `start` until `end`, and is done."""
        with self._lock:
            return [each for each in self._done if start <= each.due < end]

    def recovered(self, since: float) -> dict[str, float | None]:
        """For each kind the seconds after `since` at which a row of successes began that was long enough, if any."""
        found = self.within(since, float("inf"))
        return {
            kind: recovery([each for each in found if each.kind == kind], since, in_row)
            for kind, in_row in self.in_row.items()
        }


def recovery(done: Sequence[Done], since: float, in_row: int) -> float | None:
    """Seconds from `since` to the first operation of `in_row` that were due one after another and all succeeded.

    0.0 if that is the first of all; None if there has been no such row yet. Rows end at an operation that failed.
    """
    ordered = sorted(done, key=lambda each: each.due)
    begun = 0
    for place, each in enumerate(ordered):
        if each.outcome:
            begun = place + 1
        elif place - begun + 1 >= in_row:
            return ordered[begun].due - since if begun else 0.0
    return None


@dataclass(frozen=True)
class Share:
    """Operations of one kind, or of all, in an interval: how many, and how many failed in which way."""

    operations: int
    failures: dict[str, int]

    @property
    def failed(self) -> float:
        return sum(self.failures.values()) / self.operations if self.operations else 0.0

    def __str__(self) -> str:
        """Such as `12 % failed (503: 10 %, no answer: 2 %)`."""
        if not self.failed:
            return "all answered"
        ways = sorted(self.failures.items(), key=lambda each: -each[1])
        told = ", ".join(f"{way}: {_percent(number / self.operations)}" for way, number in ways)
        return f"{_percent(self.failed)} failed ({told})"


def share(done: Sequence[Done]) -> Share:
    return Share(len(done), dict(Counter(each.outcome for each in done if each.outcome)))


def percentile_ms(done: Sequence[Done], of: float) -> float:
    """A percentile of the latencies, counted from when each was due."""
    ordered = sorted(1000 * (each.end - each.due) for each in done)
    return ordered[min(len(ordered) - 1, int(of * len(ordered)))] if ordered else 0.0


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1f} %"
