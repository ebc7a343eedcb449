"""The command line: `python -m loadtest.imports [--quick | --lines N]`; exit code 1 if a target is missed."""

import argparse
import sys
from collections.abc import Sequence

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest.bed import Bed
from loadtest.imports.feed import write_feed
from loadtest.imports.runs import Run, Searching, run_import, searching
from loadtest.imports.store import add_company, rows_written
from loadtest.report import Row, machine, table
from loadtest.search.ground import SETTINGS
from loadtest.statistics import percentile

FULL, QUICK = 1_000_000, 20_000
FIRST_PER_S, REPLAYED_PER_S = 1_000_000 / 900, 1_000_000 / 180
MEMORY_MIB = 150
SLUG = "bench-import"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.imports", description="Measure imports on this machine.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} lines, instead of {FULL:,}")
    parser.add_argument("--lines", type=int, help="so many lines")
    given = parser.parse_args(arguments)
    try:
        rows = _measure(given.lines or (QUICK if given.quick else FULL))
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"bench-import: {error}", file=sys.stderr)
        return 1
    return 1 if any(row.met is False for row in rows) else 0


def _measure(lines: int) -> list[Row]:
    where = machine()
    with Bed.opened(settings=SETTINGS) as bed, bed.service() as service:
        url, path = bed.postgres.direct_url, bed.folder / "feed.ndjson"
        print(f"[bench] a file of {lines:,} lines", flush=True)
        words = write_feed(path, lines)
        add_company(url, SLUG)
        print("[bench] first import", flush=True)
        with searching(service, words) as during:
            first = run_import(bed, path, SLUG)
        print(f"[bench] {first.said}\n[bench] replay", flush=True)
        before = rows_written(url)
        with searching(service, words) as replaying:
            replay = run_import(bed, path, SLUG)
        written = rows_written(url) - before
        print(f"[bench] {replay.said}", flush=True)
    rows = [
        _rate("first import", lines, first, FIRST_PER_S),
        _rate("replay of the same file", lines, replay, REPLAYED_PER_S),
        Row("rows written by the replay", f"{written:,}", "0", written == 0),
        *(_memory(name, run) for name, run in (("first import", first), ("replay", replay))),
        Row("searches during the first import", _told(during)),
        Row("searches during the replay", _told(replaying)),
    ]
    print(f"\n{where}\n{lines:,} lines, {path.name} of one company; 20 searches a second beside it\n\n{table(rows)}")
    return rows


def _rate(what: str, lines: int, run: Run, wanted: float) -> Row:
    per_s = lines / run.seconds
    measured = (
        f"{per_s:,.0f} lines/s; processor time of a line: command {run.client / lines * 1e6:,.0f} us, "
        f"PostgreSQL {run.backend / lines * 1e6:,.0f} us"
    )
    return Row(what, measured, f">= {wanted:,.0f}/s", per_s >= wanted)


def _memory(what: str, run: Run) -> Row:
    peak = run.memory / 2**20
    return Row(f"memory of the command, {what}", f"{peak:.0f} MiB", f"< {MEMORY_MIB} MiB", peak < MEMORY_MIB)


def _told(searches: Searching) -> str:
    times = searches.times
    return f"p50 {percentile(times, 0.5):.1f}, p99 {percentile(times, 0.99):.1f} ms of {len(times):,}"


if __name__ == "__main__":
    sys.exit(main())
