"""The command line: `python -m loadtest.curves [--quick] [--only NAME]` measures and writes docs/curves.*."""

import argparse
import sys
from collections.abc import Callable, Sequence

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest.curves import active, followers, held, page, postings, users, workers
from loadtest.curves.results import Curve, Point, load, rounded, save
from loadtest.wrk import ensure_wrk

Measure = Callable[[Callable[[Point], None], bool], None]
PARTS: dict[str, Measure] = {
    "users": lambda keep, quick: users.measure(keep, quick=quick),
    "active": lambda keep, quick: active.measure(keep, quick=quick),
    "workers": lambda keep, quick: workers.measure(keep, quick=quick),
    "followers": lambda keep, quick: followers.measure(keep, quick=quick),
    "connections": lambda keep, quick: held.measure(keep, quick=quick),
    "postings": lambda keep, quick: postings.measure(keep, quick=quick),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts, and write each as soon as it is measured; returns 1 if one has failed."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.curves", description="Measure what growth costs.")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, about five minutes")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this alone (may be repeated)")
    given = parser.parse_args(arguments)
    failed = False
    try:
        ensure_wrk()
        for name in given.only or PARTS:
            print(f"[curves] {name}", flush=True)
            curve, complete = _measured(name, quick=given.quick)
            failed = failed or not complete
            if complete:
                save(load() | {name: curve})
    except (LocalError, OSError) as error:
        print(f"curves: {error}", file=sys.stderr)
        return 1
    page.write()
    return int(failed)


def _measured(name: str, *, quick: bool) -> tuple[Curve, bool]:
    """The curve, and whether it is complete; of a part that failed the former results stay."""
    curve = Curve.begun(quick=quick)

    def keep(point: Point) -> None:
        curve.points.append(rounded(point))
        print("  " + ", ".join(f"{key} {value:g}" for key, value in curve.points[-1].items()), flush=True)

    try:
        PARTS[name](keep, quick)
    except (LocalError, ConfigError, ProductError, OSError, RuntimeError) as error:
        print(f"curves: {name}: {error}", file=sys.stderr)
        return curve, False
    curve.note_load()
    return curve, True


if __name__ == "__main__":
    sys.exit(main())
