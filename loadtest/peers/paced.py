"""Works in an open loop: requests come at a stated rate, however long the answers take."""

from collections.abc import Sequence

from loadtest.client import encoded
from loadtest.openloop import Plan, generate
from loadtest.peers.reads import CONNECTIONS, Work, in_turn, sampled
from loadtest.peers.results import OPEN, Measured, Sample
from loadtest.peers.schedule import Schedule
from loadtest.peers.sides import Side
from loadtest.statistics import percentile
from loadtest.wrk import Load

RATE = 200
"""Requests a second, which every side can answer."""


def measured(work: Work, sides: Sequence[Side], schedule: Schedule) -> Measured:
    """Latencies from the time at which each request was due."""
    seconds = schedule.paced_s
    samples = in_turn(sides, schedule.rounds, lambda side, _: _paced(work.load(side, seconds), side, seconds))
    return Measured(f"{work.name}, {RATE} a second", samples, kind=OPEN)


def _paced(load: Load, side: Side, seconds: float) -> Sample:
    count = int(RATE * seconds)

    def run() -> tuple[int, Sample]:
        outcome = generate(Plan(load.port, _requests(load, count), count, RATE, CONNECTIONS))
        if outcome.share(200, 201, 204) != 1:
            raise RuntimeError(f"{side.name} did not answer every request: {outcome.statuses}")
        latencies = outcome.latencies_ms
        rate = count / outcome.seconds
        return count, Sample(rate, 0, percentile(latencies, 0.5), percentile(latencies, 0.99))

    return sampled(side, run)


def _requests(load: Load, count: int) -> list[str]:
    if load.drawn is not None:
        return load.drawn.sent(count)
    return [encoded("GET", path, load.token).decode() for path in load.paths]
