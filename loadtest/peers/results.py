"""What was measured of each side in each round, the ratios of rounds, and the targets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from loadtest.peers.sides import FASTAPI, OURS, RUST
from loadtest.report import Row

BCRYPT = "bcrypt alone"
CLOSED, COLD, OPEN = "closed loop", "cold", "open loop"
MEANINGS = {"rate": "requests/s", "cost": "processor time"}


@dataclass(frozen=True)
class Sample:
    """Answers a second, the processor time of an answer, and latencies, of one side in one round; 0 if not measured."""

    per_second: float
    processor_us: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(frozen=True)
class Target:
    """A bound on the median ratio of our rate, or of our processor time, to that of another side."""

    of: str
    bound: float
    beside: str = RUST

    def __str__(self) -> str:
        return f"{MEANINGS[self.of]} {'<=' if self.of == 'cost' else '>='} {self.bound:g}x"

    def met(self, ratio: float) -> bool:
        return ratio <= self.bound if self.of == "cost" else ratio >= self.bound


CHEAPER = (Target("rate", 1.0), Target("cost", 0.9))
FASTAPI_SLOWER = Target("rate", 7.0, FASTAPI)


@dataclass(frozen=True)
class Measured:
    """One kind of work: the samples of each side, of which the same place is the same round."""

    work: str
    sides: dict[str, list[Sample]]
    targets: Sequence[Target] = ()
    kind: str = CLOSED

    def ratios(self, of: str, beside: str = RUST) -> list[float]:
        """Ours to another side's, of each round."""
        pairs = zip(self.sides[OURS], self.sides.get(beside, ()), strict=False)
        if of == "cost":
            return [ours.processor_us / theirs.processor_us for ours, theirs in pairs if theirs.processor_us]
        return [ours.per_second / theirs.per_second for ours, theirs in pairs if theirs.per_second]


@dataclass(frozen=True)
class Results:
    """All kinds of work, on which machine, and what each side promises; without cargo the Rust peer is left out."""

    machine: str
    quick: bool
    measured: list[Measured] = field(default_factory=list)
    promises: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Results:
    """Results as `save` has written them."""
    given = json.loads(path.read_text())
    measured = [
        Measured(
            each["work"],
            {name: [Sample(**sample) for sample in samples] for name, samples in each["sides"].items()},
            [Target(**target) for target in each["targets"]],
            each["kind"],
        )
        for each in given["measured"]
    ]
    return Results(given["machine"], given["quick"], measured, given["promises"])


def rows(results: Results) -> list[Row]:
    """For the table of `make bench`: a row for each side, then one for each ratio."""
    found = []
    for each in results.measured:
        found += [Row(f"{each.work}, {name}", told(samples)) for name, samples in each.sides.items()]
        found += [_compared(each, target) for target in each.targets if target.beside in each.sides]
    return found


def told(samples: Sequence[Sample]) -> str:
    """Medians; what was not measured is left out."""
    parts = [rate(samples), cost(samples), latencies(samples)]
    return ", ".join(part for part in parts if part)


def rate(samples: Sequence[Sample]) -> str:
    """Requests a second."""
    found = median(each.per_second for each in samples)
    return f"{found:,.0f}/s" if found >= 100 else f"{found:.1f}/s"


def cost(samples: Sequence[Sample]) -> str:
    """Processor time of a request."""
    found = median(each.processor_us for each in samples)
    if not found:
        return ""
    return f"{found:,.1f} µs" if found < 1000 else f"{found / 1000:,.1f} ms"


def latencies(samples: Sequence[Sample]) -> str:
    """Median and 99th percentile."""
    p50, p99 = (median(values) for values in zip(*((each.p50_ms, each.p99_ms) for each in samples), strict=True))
    return f"p50 {p50:.2f}, p99 {p99:.2f} ms" if p99 else ""


def noisy(ratios: Sequence[float]) -> str:
    """The median with the lowest and the highest round."""
    return f"{median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"


def _compared(each: Measured, target: Target) -> Row:
    ratios = each.ratios(target.of, target.beside)
    what = f"{each.work}, {OURS} : {target.beside}, {MEANINGS[target.of]}"
    bound = f"{'<=' if target.of == 'cost' else '>='} {target.bound:g}x"
    return Row(what, noisy(ratios), bound, target.met(median(ratios)))
