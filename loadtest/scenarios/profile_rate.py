"""Cached authenticated profile reads per second, compared with the reference service."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from loadtest.bed import ME, Bed, Service
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.wrk import Load, Throughput, measure

TARGET = 7.0
COST_US = 100.0
WARM_UP_S = 1.0


@dataclass(frozen=True)
class Sample:
    """One run against one side; `processor_us`: CPU time of the server per response, without PostgreSQL."""

    load: Throughput
    processor_us: float


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Measure the sides in turn while the others idle; ratios compare measurements of the same round."""
    with bed.service() as ours:
        token = ours.login("user1@example.com")
        with bed.reference(token) as reference, bed.reference(token, "--remember") as remembering:
            sides = (ours, reference, remembering)
            for side in sides:
                measure(Load(side.port, [ME], token, WARM_UP_S))
            rounds = [[_measured(side, token, effort) for side in sides] for _ in range(effort.rounds)]
    return _rows(rounds)


def _measured(side: Service, token: str, effort: Effort) -> Sample:
    before = side.processor_seconds()
    load = measure(Load(side.port, [ME], token, effort.seconds))
    return Sample(load, (side.processor_seconds() - before) / load.answers * 1e6)


def _rows(rounds: Sequence[Sequence[Sample]]) -> list[Row]:
    ours, reference, remembering = (list(side) for side in zip(*rounds, strict=True))
    ratio, remembered = _ratio(ours, reference), _ratio(ours, remembering)
    cost_us = median(each.processor_us for each in ours)
    return [
        Row("profile, ours", _told(ours)),
        Row("profile, FastAPI + uvicorn + asyncpg", _told(reference)),
        Row("profile, the same with remembered tokens", _told(remembering)),
        Row("profile, ours : FastAPI", f"{ratio:.1f}x", f">= {TARGET:g}x", ratio >= TARGET),
        Row("profile, ours : FastAPI with remembered tokens", f"{remembered:.1f}x"),
        Row("profile, processor time of our worker", f"{cost_us:.0f} us", f"< {COST_US:g} us", cost_us < COST_US),
    ]


def _ratio(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    return median(a.load.per_second / b.load.per_second for a, b in zip(ours, theirs, strict=True))


def _told(side: Sequence[Sample]) -> str:
    loads = [each.load for each in side]
    rates = [each.per_second for each in loads]
    return (
        f"{median(rates):,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f}), "
        f"p50 {median(each.p50_ms for each in loads):.1f} ms, p99 {median(each.p99_ms for each in loads):.1f} ms"
    )
