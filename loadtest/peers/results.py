"""What was measured of each side in each round, the ratios of rounds, and the targets."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from loadtest.peers.sides import FASTAPI, OURS, RUST
from loadtest.report import Row

BCRYPT = "bcrypt alone"
_MEANINGS = {"rate": "requests/s", "cost": "processor time"}


@dataclass(frozen=True)
class Sample:
    """Answers a second, and the processor time of an answer, of one side in one round."""

    per_second: float
    processor_us: float


@dataclass(frozen=True)
class Target:
    """A bound on the median ratio of our rate, or of our processor time, to that of another side."""

    of: str
    bound: float
    beside: str = RUST

    def __str__(self) -> str:
        return f"{_MEANINGS[self.of]} {'<=' if self.of == 'cost' else '>='} {self.bound:g}x"

    def met(self, ratio: float) -> bool:
        return ratio <= self.bound if self.of == "cost" else ratio >= self.bound


CHEAPER = (Target("rate", 1.0), Target("cost", 0.9))


@dataclass(frozen=True)
class Measured:
    """One kind of work: the samples of each side, of which the same place is the same round."""

    work: str
    sides: dict[str, list[Sample]]
    targets: Sequence[Target] = ()

    def ratios(self, of: str, beside: str = RUST) -> list[float]:
        """Ours to another side's, of each round."""
        pairs = zip(self.sides[OURS], self.sides.get(beside, ()), strict=False)
        if of == "cost":
            return [ours.processor_us / theirs.processor_us for ours, theirs in pairs if theirs.processor_us]
        return [ours.per_second / theirs.per_second for ours, theirs in pairs]


@dataclass(frozen=True)
class Results:
    """All kinds of work, and on which machine; without cargo the Rust peer is left out."""

    machine: str
    quick: bool
    measured: list[Measured] = field(default_factory=list)

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
        )
        for each in given["measured"]
    ]
    return Results(given["machine"], given["quick"], measured)


def rows(results: Results) -> list[Row]:
    """For the table of `make bench`: a row for each side, then one for each ratio."""
    found = []
    for each in results.measured:
        found += [Row(f"{each.work}, {name}", told(samples)) for name, samples in each.sides.items()]
        found += [_compared(each, target) for target in each.targets if target.beside in each.sides]
    return found


def markdown(results: Results) -> str:
    """The table of the documentation."""
    lines = [
        f"| work | {OURS} | {RUST} | {FASTAPI} | {BCRYPT} | {OURS} : {RUST} | target | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in results.measured:
        cells = [told(each.sides[name]) if name in each.sides else "" for name in (OURS, RUST, FASTAPI, BCRYPT)]
        cells += [_ratio_cell(each), *_target_cells(each)]
        lines.append(f"| {each.work} | " + " | ".join(cells) + " |")
    rounds = len(results.measured[0].sides[OURS]) if results.measured else 0
    length = " of a second each (`QUICK=1`)" if results.quick else ""
    machine = " ".join(results.machine.split("\n"))
    return f"{rounds} rounds{length} on {machine}.\n\n" + "\n".join(lines) + "\n"


def told(samples: Sequence[Sample]) -> str:
    """Medians; processor time is left out where it was not measured."""
    rate, cost = median(each.per_second for each in samples), median(each.processor_us for each in samples)
    shown = f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.1f}/s"
    if not cost:
        return shown
    return f"{shown}, {cost:,.1f} µs" if cost < 1000 else f"{shown}, {cost / 1000:,.1f} ms"


def noisy(ratios: Sequence[float]) -> str:
    """The median with the lowest and the highest round."""
    return f"{median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"


def _compared(each: Measured, target: Target) -> Row:
    ratios = each.ratios(target.of, target.beside)
    what = f"{each.work}, {OURS} : {target.beside}, {_MEANINGS[target.of]}"
    bound = f"{'<=' if target.of == 'cost' else '>='} {target.bound:g}x"
    return Row(what, noisy(ratios), bound, target.met(median(ratios)))


def _ratio_cell(each: Measured) -> str:
    if RUST not in each.sides:
        return ""
    told_ratios = [f"{_MEANINGS[of]} {noisy(found)}" for of in _MEANINGS if (found := each.ratios(of))]
    return "<br>".join(told_ratios)


def _target_cells(each: Measured) -> tuple[str, str]:
    known = [(target, each.ratios(target.of, target.beside)) for target in each.targets if target.beside in each.sides]
    bounds = [str(target) + ("" if target.beside == RUST else f" of {target.beside}") for target, _ in known]
    verdicts = ["yes" if target.met(median(ratios)) else "**no**" for target, ratios in known]
    return "<br>".join(bounds), "<br>".join(verdicts)
