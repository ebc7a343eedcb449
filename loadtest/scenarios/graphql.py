"""GraphQL beside strawberry on FastAPI and asyncpg, and a profile beside our REST API, in rounds in turn."""

from dataclasses import replace

from loadtest.bed import Bed
from loadtest.peers.graphql import REST, opened, queries
from loadtest.peers.reads import measured
from loadtest.peers.results import Results, rows
from loadtest.peers.schedule import OVERHEAD_S
from loadtest.peers.sides import Side
from loadtest.report import Row, machine
from loadtest.scenarios import QUICK, Effort

SECONDS, WORKS = 1.0, 5


def planned_s(effort: Effort) -> float:
    """Seconds that it takes on two idle cores."""
    return 10 + _rounds(effort) * WORKS * 2 * (SECONDS + OVERHEAD_S)


def _rounds(effort: Effort) -> int:
    return 1 if effort == QUICK else effort.rounds


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Rounds of a second, and one round where little effort is wanted."""
    rounds = _rounds(effort)
    results = Results(machine(), quick=effort == QUICK)
    with opened(bed) as sides:
        ours = sides[0]
        asked = queries(bed, sides)
        results.measured.extend(measured(each, sides, rounds, SECONDS) for each in asked)
        by_rest = [ours, Side(REST, ours.service, ours.tokens)]
        results.measured.append(measured(asked[0].beside_rest(), by_rest, rounds, SECONDS))
    return [replace(row, what=f"GraphQL, {row.what}") for row in rows(results)]
