"""The command line: `python -m loadtest.search [--quick] [--only NAME]`; exit code 1 if a target is missed."""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest import scenarios
from loadtest.bed import Bed
from loadtest.report import Row, machine, table
from loadtest.search import costs, rates
from loadtest.search.costs import Backend
from loadtest.search.ground import SETTINGS, folder_of
from loadtest.search.queries import Queries, sources_of
from loadtest.wrk import ensure_wrk

SEED = 7


@dataclass(frozen=True, slots=True)
class Effort:
    """`jobs` are searched, `samples` times for each kind of search, and `drawn` times for whatever comes."""

    jobs: int
    samples: int
    drawn: int
    rates: scenarios.Effort


FULL = Effort(1_000_000, 500, 10_000, scenarios.FULL)
QUICK = Effort(100_000, 150, 1_500, scenarios.QUICK)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is measured, and how."""

    bed: Bed
    backend: Backend
    queries: Queries
    effort: Effort


PARTS: dict[str, Callable[[Ground], list[Row]]] = {
    "kinds": lambda on: costs.by_kind(on.backend, on.queries, on.effort.samples),
    "random": lambda on: costs.random_searches(on.backend, on.queries, on.effort.drawn),
    "pages": lambda on: costs.deep_pages(on.backend),
    "rates": lambda on: rates.beside_the_usual(on.bed, on.queries, on.effort.rates),
    "repeated": lambda on: rates.repeated(on.bed, on.queries, on.effort.rates),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.search", description="Measure searches on this machine.")
    parser.add_argument("--quick", action="store_true", help="100,000 postings and a few minutes, instead of 1,000,000")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this alone (may be repeated)")
    given = parser.parse_args(arguments)
    try:
        rows = _measure(given.only or list(PARTS), QUICK if given.quick else FULL)
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"bench-search: {error}", file=sys.stderr)
        return 1
    return 1 if any(row.met is False for row in rows) else 0


def _measure(names: Sequence[str], effort: Effort) -> list[Row]:
    """Run the parts one after the other and print the table."""
    ensure_wrk()
    home = folder_of(effort.jobs)
    where, rows = machine(), []
    with Bed.opened(home, SETTINGS) as bed:
        url = bed.postgres.direct_url
        on = Ground(bed, Backend(url), Queries(sources_of(url), random.Random(SEED)), effort)
        for name in names:
            print(f"[bench] {name}", flush=True)
            rows += PARTS[name](on)
        on.backend.close()
    print(f"\n{where}\n{effort.jobs:,} postings; the database's times are of one client\n\n{table(rows)}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
