"""The command line: `python -m loadtest.revisions COMMIT [--quick]`; exit code 1 if a request costs over 3 % more."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from app.local.process import LocalError
from loadtest.bed import ME
from loadtest.processes import processor_seconds
from loadtest.report import Row, machine, table
from loadtest.revisions.checkout import Side, earlier, present, side
from loadtest.wrk import Load, ensure_wrk, measure

MOST_MORE = 0.03
WARM_UP_S = 1.0
BATCH = 100
QUICK, FULL = (12, 1.0), (40, 1.0)
WORK: dict[str, Callable[[Side], Load]] = {
    "hello": lambda it: Load(it.hello.port, ["/hello"], "", 0),
    "profile": lambda it: Load(it.service.port, [ME], it.token, 0),
    "batch": lambda it: Load(
        it.service.port, [f"/api/v1/users/batch?ids={','.join(map(str, it.ids))}"], it.token, 0, 16
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.revisions", description="Compare with an earlier commit.")
    parser.add_argument("commit", help="what to compare with, as git names it")
    parser.add_argument("--quick", action="store_true", help="about a minute, with less certain numbers")
    given = parser.parse_args(arguments)
    try:
        ensure_wrk()
        rows = _measured(given.commit, *(QUICK if given.quick else FULL))
    except (LocalError, OSError) as error:
        print(f"bench-revisions: {error}", file=sys.stderr)
        return 1
    print(f"{machine()}\none worker each, in turn, processor time of a request (median of the rounds)\n\n{table(rows)}")
    return 1 if any(row.met is False for row in rows) else 0


def _measured(commit: str, rounds: int, seconds: float) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="jobfinder-revisions-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        before = stack.enter_context(side(earlier(commit), folder / "before", BATCH))
        after = stack.enter_context(side(present(), folder / "after", BATCH))
        return [_compared(work, before, after, rounds, seconds) for work in WORK]


def _compared(work: str, before: Side, after: Side, rounds: int, seconds: float) -> Row:
    """The order of the sides alternates between rounds; ratios compare measurements of the same round."""
    for each in (before, after):
        _cost_us(work, each, WARM_UP_S)
    pairs = []
    for number in range(rounds):
        order = (before, after) if number % 2 == 0 else (after, before)
        costs = [_cost_us(work, each, seconds) for each in order]
        pairs.append(costs if number % 2 == 0 else costs[::-1])
    more = median(now / then for then, now in pairs) - 1
    then_us, now_us = (median(costs) for costs in zip(*pairs, strict=True))
    measured = f"{more:+.1%} ({then_us:.1f} us before, {now_us:.1f} us now)"
    return Row(f"{work}, processor time", measured, f"<= +{MOST_MORE:.0%}", more <= MOST_MORE)


def _cost_us(work: str, it: Side, seconds: float) -> float:
    load = WORK[work](it)
    server = it.hello if work == "hello" else it.service
    worker = server.worker()
    began = processor_seconds(worker)
    done = measure(Load(load.port, load.paths, load.token, seconds, load.connections))
    return (processor_seconds(worker) - began) / done.answers * 1e6


if __name__ == "__main__":
    sys.exit(main())
