"""The comparison table: rates, CPU time, and ratios between measurements of the same round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

LEAST_OF_PUBLISHED = 0.90
OURS, PUBLISHED = "ours", "published"

Round = Mapping[str, "Sample"]


@dataclass(frozen=True)
class Sample:
    """Responses per second, and the worker's CPU time for each."""

    per_second: float
    microseconds: float


def ratio(rounds: Sequence[Round], other: str) -> float:
    """Our rate divided by the other's: the median over the rounds."""
    return median(each[OURS].per_second / each[other].per_second for each in rounds)


def kept(measured: Mapping[str, Sequence[Round]]) -> bool:
    """Whether, for every handler, our throughput is at least 90 % of the published meinheld's."""
    return all(ratio(rounds, PUBLISHED) >= LEAST_OF_PUBLISHED for rounds in measured.values())


def comparison(measured: Mapping[str, Sequence[Round]]) -> str:
    """A Markdown table; each cell is the median rate (and CPU time), the last columns are ratios."""
    sides = list(next(iter(measured.values()))[0])
    others = [name for name in sides if name != OURS]
    head = ["handler", *sides, *(f"{OURS} : {name}" for name in others)]
    lines = [head, ["---"] * len(head)]
    for handler, rounds in measured.items():
        cells = [_cell([each[name] for each in rounds]) for name in sides]
        lines.append([handler, *cells, *(_told(ratio(rounds, name), name) for name in others)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(samples: Sequence[Sample]) -> str:
    rate, microseconds = median(each.per_second for each in samples), median(each.microseconds for each in samples)
    return f"{rate:,.0f}/s ({microseconds:.0f} µs)"


def _told(value: float, other: str) -> str:
    missed = other == PUBLISHED and value < LEAST_OF_PUBLISHED
    return f"{value:.2f}{f' (less than {LEAST_OF_PUBLISHED:g})' if missed else ''}"
