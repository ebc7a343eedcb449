"""The command line: `python -m loadtest [--quick] [--only NAME]`; exit code 1 if a target is missed."""

import argparse
import sys
from collections.abc import Sequence

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest.bed import Bed
from loadtest.report import Row, machine, table
from loadtest.scenarios import (
    FULL,
    QUICK,
    Effort,
    Scenario,
    allocators,
    batch,
    graphql,
    login_flood,
    login_timing,
    memory,
    peers,
    profile_rate,
    task_rate,
)
from loadtest.wrk import ensure_wrk

SCENARIOS: dict[str, Scenario] = {
    "profile": profile_rate.run,
    "batch": batch.run,
    "memory": memory.run,
    "timing": login_timing.run,
    "flood": login_flood.run,
    "tasks": task_rate.run,
    "peers": peers.run,
    "graphql": graphql.run,
}
ON_REQUEST: dict[str, Scenario] = {"allocators": allocators.run}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest", description="Measure the service on this machine.")
    parser.add_argument("--quick", action="store_true", help="about four minutes, with less certain numbers")
    parser.add_argument(
        "--only", action="append", choices=SCENARIOS | ON_REQUEST, help="measure this alone (may be repeated)"
    )
    given = parser.parse_args(arguments)
    try:
        rows = _measure(given.only or list(SCENARIOS), quick=given.quick)
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 1 if any(row.met is False for row in rows) else 0


def _measure(names: Sequence[str], *, quick: bool) -> list[Row]:
    """Run the scenarios one after the other and print the table."""
    ensure_wrk()
    where, rows = machine(), []
    with Bed.opened() as bed:
        for name in names:
            print(f"[bench] {name}", flush=True)
            rows += _attempt(name, bed, QUICK if quick else FULL)
    print(f"\n{where}\none worker, the load beside it on the same cores, medians\n\n{table(rows)}")
    return rows


def _attempt(name: str, bed: Bed, effort: Effort) -> list[Row]:
    """The rows of one scenario; a failure becomes a row of the table, and the other scenarios still run."""
    try:
        return (SCENARIOS | ON_REQUEST)[name](bed, effort)
    except (LocalError, OSError, RuntimeError) as error:
        return [Row(name, f"failed: {error}", "measured", met=False)]


if __name__ == "__main__":
    sys.exit(main())
