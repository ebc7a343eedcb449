"""The command line: `python -m loadtest.promises [--quick] [--only NAME]`; exit code 1 if a promise is missed."""

import argparse
import sys
from collections.abc import Callable, Sequence

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest.bed import Bed
from loadtest.promises import caching, latencies, page, resources
from loadtest.promises.results import KEPT, Promise, Results, save, with_command
from loadtest.report import table
from loadtest.scenarios import FULL, QUICK, Effort
from loadtest.wrk import ensure_wrk

PARTS: dict[str, Callable[[Bed, Effort], list[Promise]]] = {
    "latencies": latencies.run,
    "hits": caching.hit_rate,
    "caching": caching.with_caches,
    "batch": caching.batches,
    "database": resources.database_connections,
    "memory": resources.memory,
    "cores": resources.cores,
    "connections": resources.kept_connections,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and without --only write the results into docs/; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.promises", description="Measure what was promised.")
    parser.add_argument("--quick", action="store_true", help="shorter, with less certain numbers")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this alone (may be repeated)")
    given = parser.parse_args(arguments)
    try:
        results = _measure(given.only or list(PARTS), quick=given.quick)
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"bench-promises: {error}", file=sys.stderr)
        return 1
    if not given.only:
        save(results)
        page.PAGE.write_text(page.generated(page.PAGE.read_text()))
        print(f"written: {KEPT} and {page.PAGE}")
    return 1 if any(each.met is False for each in results.promises) else 0


def _measure(names: Sequence[str], *, quick: bool) -> Results:
    """The parts one after the other, each with new servers; one that fails becomes a row."""
    ensure_wrk()
    results = Results.begun(quick=quick)
    for name in names:
        print(f"[promises] {name}", flush=True)
        found = _attempt(name, QUICK if quick else FULL)
        results.promises += with_command(found, f"python -m loadtest.promises --only {name}")
    results.note_load()
    print(f"\n{results.machine}\n\n{table(each.row for each in results.promises)}")
    return results


def _attempt(name: str, effort: Effort) -> list[Promise]:
    try:
        with Bed.opened() as bed:
            return PARTS[name](bed, effort)
    except (LocalError, OSError, RuntimeError) as error:
        return [Promise(name, "measured", f"failed: {error}", met=False)]


if __name__ == "__main__":
    sys.exit(main())
