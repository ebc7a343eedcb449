"""The table of the comparison: rates, processor time, and ratios that are made within a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

LEAST_OF_PUBLISHED = 0.90
OURS, PUBLISHED = "ours", "published"

Round = Mapping[str, "Sample"]


@dataclass(frozen=True)
class Sample:
    """Answers a second, and the worker's processor time of one of them."""

    per_second: float
    microseconds: float


def ratio(rounds: Sequence[Round], other: str) -> float:
    """Our rate in units of the other's: the median of what the rounds say."""
    return median(each[OURS].per_second / each[other].per_second for each in rounds)


def kept(measured: Mapping[str, Sequence[Round]]) -> bool:
    """Whether the repairs cost no more than a tenth of the published version's throughput, whatever is served."""
    return all(ratio(rounds, PUBLISHED) >= LEAST_OF_PUBLISHED for rounds in measured.values())


def comparison(measured: Mapping[str, Sequence[Round]]) -> str:
    """Markdown; a cell is the median rate (and processor time), the last columns are ratios."""
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
