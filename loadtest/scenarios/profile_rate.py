"""Cached authenticated profile reads a second, against the reference."""

from collections.abc import Sequence
from statistics import median

from loadtest.bed import ME, Bed, Service
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.wrk import Load, Throughput, measure

TARGET = 7.0
WARM_UP_S = 1.0


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Every side serves in turn, while the others idle; ratios are made within a round."""
    with bed.service() as ours:
        token = ours.login("user1@example.com")
        with bed.reference(token) as reference, bed.reference(token, "--remember") as remembering:
            sides = (ours, reference, remembering)
            for side in sides:
                measure(Load(side.port, [ME], token, WARM_UP_S))
            rounds = [[_measured(side, token, effort) for side in sides] for _ in range(effort.rounds)]
    return _rows(rounds)


def _measured(side: Service, token: str, effort: Effort) -> Throughput:
    return measure(Load(side.port, [ME], token, effort.seconds))


def _rows(rounds: Sequence[Sequence[Throughput]]) -> list[Row]:
    ours, reference, remembering = (list(side) for side in zip(*rounds, strict=True))
    ratio, remembered = _ratio(ours, reference), _ratio(ours, remembering)
    return [
        Row("profile, ours", _told(ours)),
        Row("profile, FastAPI + uvicorn + asyncpg", _told(reference)),
        Row("profile, the same with remembered tokens", _told(remembering)),
        Row("profile, ours : FastAPI", f"{ratio:.1f}x", f">= {TARGET:g}x", ratio >= TARGET),
        Row("profile, ours : FastAPI with remembered tokens", f"{remembered:.1f}x"),
    ]


def _ratio(ours: Sequence[Throughput], theirs: Sequence[Throughput]) -> float:
    return median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))


def _told(side: Sequence[Throughput]) -> str:
    rates = [each.per_second for each in side]
    return (
        f"{median(rates):,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f}), "
        f"p50 {median(each.p50_ms for each in side):.1f} ms, p99 {median(each.p99_ms for each in side):.1f} ms"
    )
