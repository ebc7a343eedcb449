"""GraphQL beside strawberry on FastAPI and asyncpg, and a profile beside our REST API, in rounds in turn."""

from dataclasses import replace

from loadtest.bed import Bed
from loadtest.peers.graphql import REST, opened, queries
from loadtest.peers.reads import measured
from loadtest.peers.results import Results, rows
from loadtest.peers.sides import Side
from loadtest.report import Row, machine
from loadtest.scenarios import QUICK, Effort

ROUNDS, QUICK_SECONDS = 5, 2


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Always five rounds, which are short where little effort is wanted."""
    own = Effort(ROUNDS, QUICK_SECONDS if effort == QUICK else effort.seconds, effort.samples)
    results = Results(machine(), quick=effort == QUICK)
    with opened(bed) as sides:
        ours = sides[0]
        asked = queries(bed, sides)
        results.measured.extend(measured(each, sides, own) for each in asked)
        by_rest = [ours, Side(REST, ours.service, ours.tokens)]
        results.measured.append(measured(asked[0].beside_rest(), by_rest, own))
    return [replace(row, what=f"GraphQL, {row.what}") for row in rows(results)]
