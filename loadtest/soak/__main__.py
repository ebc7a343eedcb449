"""The command line: `python -m loadtest.soak [--hours N]`; exit code 1 if anything has grown, failed or was lost."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from app.errors import ConfigError, ProductError
from app.local.process import LocalError, becomes_true
from loadtest.bed import CHECKOUT
from loadtest.report import machine, table
from loadtest.soak.ground import COSTED, Ground, Load
from loadtest.soak.record import EXAMPLES, Record, Unexpected
from loadtest.soak.results import Results, all_series, requests
from loadtest.soak.sampling import Samples
from loadtest.soak.schedule import LEAST_HOURS, Schedule
from loadtest.soak.store import count_rows
from loadtest.soak.verdicts import Counted, verdicts

KEPT = CHECKOUT / "docs" / "soak.json"
RATE, HOURS = 150.0, 2.0
ROWS_EVERY = 4
"""Samples of processes for each count of rows."""

SETTLED_S = 90.0
TOLD_EVERY_S = 60.0
EMPTY = ("changes to publish", "tasks that are due", "unsent digests", "parts of imports")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test, print what was found, and keep it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.soak", description="Run a mixed load for hours.")
    parser.add_argument("--hours", type=float, default=HOURS, help="length; the first fifth is warm-up")
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second")
    parser.add_argument("--keep", action="store_true", help="write docs/soak.json, from which `make docs` makes a page")
    given = parser.parse_args(arguments)
    if given.hours < LEAST_HOURS:
        parser.error(f"--hours: at least {LEAST_HOURS}")
    try:
        results = _soaked(Schedule(given.hours * 3600, given.rate))
    except (LocalError, ConfigError, ProductError, OSError, Unexpected) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    if given.keep:
        results.save(KEPT)
    print(f"\n{results.machine}\n{results.seconds:,.0f} s, {results.rate:g} requests/s\n\n{table(results.verdicts)}")
    return 1 if any(row.met is False for row in results.verdicts) else 0


def _soaked(schedule: Schedule) -> Results:
    where, before, record = machine(), os.getloadavg()[0], Record()
    with Ground.opened(schedule) as ground:
        print("[soak] postings, people and searches", flush=True)
        load = Load(ground, schedule, record)
        url, pids = ground.bed.postgres.direct_url, ground.pids()
        samples = Samples(ground.programs(), url, COSTED)
        load.start()
        try:
            _watch(schedule, samples, record)
        finally:
            load.stop()
        after = os.getloadavg()[0]
        print("[soak] settling", flush=True)
        checked, told = load.check_dead(), load.alerts.settle()
        becomes_true(lambda: not any(_left(url).values()), SETTLED_S)
        ended = len(set(pids) - set(ground.pids()))
        complaints = ground.complaints()
        for each in complaints[:EXAMPLES]:
            print(f"[soak] {each}", flush=True)
        shed = record.refused("passwords")
        counted = Counted(record.requests, record.failures, told, checked, ended, complaints, shed, _left(url))
    series = all_series(samples.series, record)
    found = verdicts(series, counted, schedule.seconds, schedule.warm_up_s)
    examples = [*record.examples, *complaints[:EXAMPLES]]
    told_of = requests(record, schedule.seconds)
    return Results(where, schedule.seconds, schedule.rate, (before, after), told_of, series, found, examples)


def _watch(schedule: Schedule, samples: Samples, record: Record) -> None:
    """Sample until the test is over."""
    began = time.monotonic()
    window, told, number = schedule.window_s, TOLD_EVERY_S, 0
    while (at := time.monotonic() - began) < schedule.seconds:
        samples.take(at, rows=number % ROWS_EVERY == 0)
        number += 1
        if at >= window:
            record.window(at)
            samples.spend(at, record.requests)
            window += schedule.window_s
        if at >= told:
            print(f"[soak] {at:,.0f} s: {record.requests:,} requests, {record.failures:,} failed", flush=True)
            told += TOLD_EVERY_S
        time.sleep(max(0.0, number * schedule.sample_every_s - (time.monotonic() - began)))


def _left(url: str) -> dict[str, int]:
    """Rows of the tables that are empty when there is nothing to do."""
    return {name: number for name, number in count_rows(url).items() if name in EMPTY}


if __name__ == "__main__":
    sys.exit(main())
