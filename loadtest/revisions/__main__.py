"""The command line: `python -m loadtest.revisions COMMIT [--quick]`; exit code 1 if a request costs over 3 % more.

The memory layout of one process makes all its requests up to 10 % dearer or cheaper, so several pairs of fresh
processes are compared.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from app.local.process import LocalError
from loadtest.bed import ME, Service
from loadtest.processes import processor_seconds
from loadtest.report import Row, machine, table
from loadtest.revisions.checkout import Checkout, Ground, Side, earlier, ground, present
from loadtest.wrk import Load, ensure_wrk, measure

MOST_MORE = 0.03
BATCH = 100
WARM_UP = 300
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """So many pairs of processes, each measured in so many rounds of `seconds` for each side."""

    pairs: int
    rounds: int
    seconds: float


QUICK, FULL = Plan(6, 2, 1.0), Plan(12, 4, 1.0)
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
    parser.add_argument("--quick", action="store_true", help="about three minutes, with less certain numbers")
    given = parser.parse_args(arguments)
    try:
        ensure_wrk()
        rows = _measured(given.commit, QUICK if given.quick else FULL)
    except (LocalError, OSError) as error:
        print(f"bench-revisions: {error}", file=sys.stderr)
        return 1
    print(f"{machine()}\none worker each, in turn, processor time of a request (median of the rounds)\n\n{table(rows)}")
    return 1 if any(row.met is False for row in rows) else 0


def rounds(cost: Callable[[T, float], float], before: T, after: T, plan: Plan) -> list[tuple[float, float]]:
    """The costs of both sides in each round, in turn; the side that begins alternates."""
    found = []
    for number in range(plan.rounds):
        if number % 2 == 0:
            then = cost(before, plan.seconds)
            found.append((then, cost(after, plan.seconds)))
        else:
            now = cost(after, plan.seconds)
            found.append((cost(before, plan.seconds), now))
    return found


def compared(work: str, costs: Sequence[tuple[float, float]]) -> Row:
    """The median ratio over the rounds of all pairs, each ratio of costs of the same round."""
    more = median(now / then for then, now in costs) - 1
    then_us, now_us = (median(side) for side in zip(*costs, strict=True))
    measured = f"{more:+.1%} ({then_us:.1f} us before, {now_us:.1f} us now)"
    return Row(f"{work}, processor time", measured, f"<= +{MOST_MORE:.0%}", more <= MOST_MORE)


def _measured(commit: str, plan: Plan) -> list[Row]:
    """The servers keep running; the processes of the services, whose layout differs, are new in each pair."""
    costs: dict[str, list[tuple[float, float]]] = {work: [] for work in WORK}
    with _grounds(earlier(commit), present()) as (before, after):
        for number in range(plan.pairs):
            print(f"[bench] pair {number + 1} of {plan.pairs}", flush=True)
            with before.services() as then, after.services() as now:
                for work, known in costs.items():
                    _warm_up(work, then, now)
                    known.extend(rounds(partial(_cost_us, work), then, now, plan))
    return [compared(work, known) for work, known in costs.items()]


@contextmanager
def _grounds(earlier_one: Checkout, present_one: Checkout) -> Iterator[tuple[Ground, Ground]]:
    with tempfile.TemporaryDirectory(prefix="jobfinder-revisions-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        before = stack.enter_context(ground(earlier_one, folder / "before", BATCH))
        yield before, stack.enter_context(ground(present_one, folder / "after", BATCH))


def _warm_up(work: str, *sides: Side) -> None:
    """Fill the caches and let Python specialize its code."""
    for each in sides:
        path, token = WORK[work](each).paths[0], each.token if work != "hello" else ""
        for _ in range(WARM_UP):
            _server(work, each).ask("GET", path, token)


def _server(work: str, it: Side) -> Service:
    return it.hello if work == "hello" else it.service


def _cost_us(work: str, it: Side, seconds: float) -> float:
    load = WORK[work](it)
    worker = _server(work, it).worker()
    began = processor_seconds(worker)
    done = measure(Load(load.port, load.paths, load.token, seconds, load.connections))
    return (processor_seconds(worker) - began) / done.answers * 1e6


if __name__ == "__main__":
    sys.exit(main())
