"""`python -m tests.fuzz`: mutated requests and responses against the sanitized server."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.fuzz import sanitized
from tests.fuzz.plan import Plan
from tests.fuzz.process import Broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=float, default=float("inf"))
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--log", type=Path, help="folder for the log of the service")
    parser.add_argument("--plain", action="store_true", help="the installed meinheld, without sanitizers")
    parser.add_argument("--without", default="", help="name of a repair to leave out")
    chosen = parser.parse_args()
    plan = Plan(chosen.seed, chosen.first, chosen.cases, chosen.seconds)
    with tempfile.TemporaryDirectory() as temporary:
        environment = {} if chosen.plain else sanitized.environment(chosen.without)
        try:
            report = plan.play(chosen.log or Path(temporary), environment)
        except Broken as error:
            sys.stdout.write(f"{error}\n")
            return 1
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
