"""The command line: `python -m loadtest [--quick] [--only NAME]`; exit code 1 if a target is missed."""

import argparse
import sys
import time
from collections.abc import Sequence

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest.bed import Bed
from loadtest.report import Row, machine, table
from loadtest.scenarios import (
    FULL,
    MOST_S,
    QUICK,
    Effort,
    Run,
    Scenario,
    allocators,
    forgetting,
    graphql,
    login_flood,
    login_timing,
    memory,
    peers,
    task_rate,
)
from loadtest.wrk import ensure_wrk

SCENARIOS: dict[str, Scenario] = {
    "peers": peers,
    "memory": memory,
    "timing": login_timing,
    "flood": login_flood,
    "tasks": task_rate,
    "graphql": graphql,
}
"""In this order: the peers' cold reads need users whom nobody has read."""

START_S = 5.0
ON_REQUEST: dict[str, Run] = {"allocators": allocators.run, "forgetting": forgetting.run}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest", description="Measure the service on this machine.")
    parser.add_argument("--quick", action="store_true", help="about four minutes, with less certain numbers")
    parser.add_argument(
        "--only", action="append", choices=[*SCENARIOS, *ON_REQUEST], help="measure this alone (may be repeated)"
    )
    given = parser.parse_args(arguments)
    try:
        chosen = given.only or list(SCENARIOS)
        rows = _measure([each for each in (*SCENARIOS, *ON_REQUEST) if each in chosen], quick=given.quick)
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 1 if any(row.met is False for row in rows) else 0


def planned_s(*, quick: bool) -> float:
    """Seconds that all scenarios take on two idle cores; building the Rust peer and installing wrk are left out."""
    return START_S + sum(each.planned_s(QUICK if quick else FULL) for each in SCENARIOS.values())


def _measure(names: Sequence[str], *, quick: bool) -> list[Row]:
    """Run the scenarios one after the other and print the table."""
    ensure_wrk()
    where, rows, started = machine(), [], time.monotonic()
    with Bed.opened() as bed:
        for name in names:
            print(f"[bench] {name}, after {time.monotonic() - started:.0f} s", flush=True)
            rows += _attempt(name, bed, QUICK if quick else FULL)
    if names == list(SCENARIOS):
        rows.append(_duration(time.monotonic() - started, MOST_S[quick]))
    print(f"\n{where}\none worker, the load beside it on the same cores, medians\n\n{table(rows)}")
    return rows


def _duration(seconds: float, most_s: float) -> Row:
    what = "duration of the benchmark"
    return Row(what, f"{seconds / 60:.1f} minutes", f"<= {most_s / 60:g} minutes", seconds <= most_s)


def _attempt(name: str, bed: Bed, effort: Effort) -> list[Row]:
    """The rows of one scenario; a failure becomes a row of the table, and the other scenarios still run."""
    try:
        run = ON_REQUEST[name] if name in ON_REQUEST else SCENARIOS[name].run
        return run(bed, effort)
    except (LocalError, OSError, RuntimeError) as error:
        return [Row(name, f"failed: {error}", "measured", met=False)]


if __name__ == "__main__":
    sys.exit(main())
