"""Reads that no side has had before: each user, page and search is asked for once by each side."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bed import USERS, Bed
from loadtest.client import encoded
from loadtest.openloop import Plan, generate
from loadtest.peers.reads import CONNECTIONS, PAGES, in_turn, sampled
from loadtest.peers.results import COLD, Measured, Sample
from loadtest.peers.schedule import Schedule
from loadtest.peers.sides import Side
from loadtest.statistics import percentile
from loadtest.store import list_open

FIRST_USER = 2  # the first is the one who asks
FIRST_READS = 50  # are not counted: they prepare statements


@dataclass(frozen=True)
class ColdWork:
    """Paths, a part of which is asked for in each round, and whether a token is sent with them."""

    name: str
    paths: Sequence[str]
    signed: bool = False


def works(bed: Bed, searches: Sequence[str]) -> list[ColdWork]:
    """The newest pages are left to the warm reads."""
    profiles = [f"/api/v1/users/{number}" for number in range(FIRST_USER, USERS + 1)]
    pages = [f"/api/v1/jobs/{number}" for number in list_open(bed.postgres.direct_url)[: -2 * PAGES]]
    return [
        ColdWork("public profile, read for the first time", profiles, signed=True),
        ColdWork("open job page, read for the first time", pages),
        ColdWork("search, run for the first time", searches),
    ]


def measured(work: ColdWork, sides: Sequence[Side], schedule: Schedule) -> Measured:
    """Rounds of different requests, which are the same for each side."""
    count = min(schedule.cold, (len(work.paths) - FIRST_READS) // schedule.rounds)
    for side in sides:
        _ask(work, side, 0, FIRST_READS)

    def sample(side: Side, number: int) -> Sample:
        return _ask(work, side, FIRST_READS + number * count, count)

    return Measured(work.name, in_turn(sides, schedule.rounds, sample), kind=COLD)


def _ask(work: ColdWork, side: Side, first: int, count: int) -> Sample:
    token = side.tokens[0] if work.signed else ""
    requests = [encoded("GET", path, token).decode() for path in work.paths[first : first + count]]
    return counted(side, requests)


def counted(side: Side, requests: Sequence[str], connections: int = CONNECTIONS, status: int = 200) -> Sample:
    """Each of these requests once, in a closed loop. Raises RuntimeError unless all are answered with `status`."""

    def run() -> tuple[int, Sample]:
        outcome = generate(Plan(side.service.port, requests, len(requests), float("inf"), connections))
        if outcome.share(status) != 1:
            raise RuntimeError(f"{side.name} should have answered with {status} alone: {outcome.statuses}")
        latencies = outcome.latencies_ms
        rate = outcome.per_second(connections)
        return len(requests), Sample(rate, 0, percentile(latencies, 0.5), percentile(latencies, 0.99))

    return sampled(side, run)
