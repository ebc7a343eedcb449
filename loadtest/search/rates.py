"""Searches a second over HTTP, beside the usual stack on the same data, and what a repeated search costs."""

import random
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from app.local.postgres import free_port
from loadtest.bed import ME, START_S, Bed, Service
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.search.queries import Given, Queries
from loadtest.wrk import Load, Throughput, measure

DISTINCT = 4_000
"""Different searches, so that hardly any is repeated within a round."""

CONNECTIONS = 8
TIMES, REPEATED = 10.0, 2.0


def beside_the_usual(bed: Bed, queries: Queries, effort: Effort) -> list[Row]:
    """Rounds in turn while the other side idles; ratios compare measurements of the same round."""
    asked = [queries.words(random.Random(number).choice((1, 1, 2, 2, 3))) for number in range(DISTINCT)]
    rounds = []
    with bed.service() as ours, usual(bed) as theirs:
        sides = ((ours, "/api/v1/jobs?limit=20&"), (theirs, "/jobs?limit=20&"))
        for number in range(effort.rounds):
            part = asked[number :: effort.rounds]
            rounds.append([_measured(service, prefix, part, effort.seconds) for service, prefix in sides])
    ours_rates, usual_rates = ([each.per_second for each in side] for side in zip(*rounds, strict=True))
    ratio = median(a / b for a, b in zip(ours_rates, usual_rates, strict=True))
    return [
        Row("searches, ours", _told([first for first, _ in rounds])),
        Row("searches, FastAPI + SQLAlchemy + asyncpg with ts_rank", _told([second for _, second in rounds])),
        Row("searches, ours : the usual stack", f"{ratio:.1f}x", f">= {TIMES:g}x", ratio >= TIMES),
    ]


def repeated(bed: Bed, queries: Queries, effort: Effort) -> list[Row]:
    """Processor time of our worker for the same few searches again and again, and for a cached profile."""
    paths = [_path("/api/v1/jobs?limit=20&", queries.words(2)) for _ in range(5)]
    with bed.service() as service:
        token = service.login("user1@example.com")
        costs: dict[str, list[float]] = {"profile": [], "search": []}
        for _ in range(effort.rounds):
            costs["profile"].append(_processor_us(service, [ME], token, effort.seconds))
            costs["search"].append(_processor_us(service, paths, token, effort.seconds))
    ratio = median(a / b for a, b in zip(costs["search"], costs["profile"], strict=True))
    measured = f"{ratio:.1f}x ({median(costs['search']):.0f} : {median(costs['profile']):.0f} us)"
    return [Row("repeated search : cached profile, our worker", measured, f"<= {REPEATED:g}x", ratio <= REPEATED)]


@contextmanager
def usual(bed: Bed) -> Iterator[Service]:
    """The usual stack on the same database."""
    port = free_port()
    arguments = ["-m", "loadtest.search.usual", "--port", str(port), "--database", bed.postgres.direct_url]
    with bed.running("the usual stack", arguments, port) as service:
        service.process.wait_until(lambda: service.ready("/ready"), START_S)
        yield service


def _measured(service: Service, prefix: str, searches: Sequence[Given], seconds: float) -> Throughput:
    paths = [_path(prefix, each) for each in searches]
    return measure(Load(service.port, paths, "", seconds, CONNECTIONS))


def _processor_us(service: Service, paths: Sequence[str], token: str, seconds: float) -> float:
    measure(Load(service.port, paths, token, 1))
    before = service.processor_seconds()
    load = measure(Load(service.port, paths, token, seconds))
    return (service.processor_seconds() - before) / load.answers * 1e6


def _path(prefix: str, given: Given) -> str:
    return prefix + urllib.parse.urlencode(given, doseq=True)


def _told(loads: Sequence[Throughput]) -> str:
    rates = [each.per_second for each in loads]
    return (
        f"{median(rates):,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f}), "
        f"p50 {median(each.p50_ms for each in loads):.1f} ms, p99 {median(each.p99_ms for each in loads):.1f} ms"
    )
