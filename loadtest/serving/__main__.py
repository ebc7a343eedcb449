"""The command line: `python -m loadtest.serving [--quick]`; exit code 1 if ours is slower than the target."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from app.local.process import LocalError
from loadtest.bed import Service
from loadtest.processes import processor_seconds
from loadtest.published import published_meinheld
from loadtest.report import machine
from loadtest.serving.comparison import Round, Sample, comparison, kept
from loadtest.serving.handlers import SIDES
from loadtest.serving.sides import Backends, backends, side
from loadtest.wrk import Load, ensure_wrk, measure

HANDLERS = ("hello", "json", "database", "memcached")
WARM_UP_S = 1.0
QUICK, FULL = (2, 1.0), (7, 2.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.serving", description="Compare web servers.")
    parser.add_argument("--quick", action="store_true", help="about a minute, with less certain numbers")
    parser.add_argument("--only", action="append", choices=HANDLERS, help="compare with this handler alone")
    given = parser.parse_args(arguments)
    rounds, seconds = QUICK if given.quick else FULL
    try:
        measured = _measured(given.only or HANDLERS, rounds, seconds)
    except (LocalError, OSError) as error:
        print(f"bench-serving: {error}", file=sys.stderr)
        return 1
    print(comparison(measured))
    return 0 if kept(measured) else 1


def _measured(handlers: Sequence[str], rounds: int, seconds: float) -> dict[str, list[Round]]:
    """The rounds of each handler; each round measures every side once."""
    ensure_wrk()
    published_meinheld()
    print(
        f"{machine()}\none worker each, {rounds} rounds of {seconds:g} s, wrk with 64 connections on the same cores\n"
    )
    with tempfile.TemporaryDirectory(prefix="jobfinder-serving-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        running = _started(stack, stack.enter_context(backends(folder)))
        return {handler: _rounds(running, handler, rounds, seconds) for handler in handlers}


def _started(stack: ExitStack, given: Backends) -> dict[str, Service]:
    return {name: stack.enter_context(side(name, given)) for name in SIDES}


def _rounds(running: Mapping[str, Service], handler: str, rounds: int, seconds: float) -> list[Round]:
    """The order of the sides alternates, so that a side does not always follow the same other one."""
    for service in running.values():
        measure(Load(service.port, [f"/{handler}"], "", WARM_UP_S))
    names = list(running)
    found: list[Round] = []
    for number in range(rounds):
        order = names if number % 2 == 0 else names[::-1]
        found.append({name: _sample(running[name], handler, seconds) for name in order})
    return found


def _sample(service: Service, handler: str, seconds: float) -> Sample:
    worker = service.worker()
    before = processor_seconds(worker)
    load = measure(Load(service.port, [f"/{handler}"], "", seconds))
    return Sample(load.per_second, (processor_seconds(worker) - before) / load.answers * 1e6)


if __name__ == "__main__":
    sys.exit(main())
