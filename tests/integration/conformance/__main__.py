"""`python -m tests.integration.conformance`: print the outcome of each case on each server."""

import argparse
import fnmatch
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.integration.conformance.cases import Case
from tests.integration.conformance.differences import reasons
from tests.integration.conformance.forwarding import Forwarded, forward
from tests.integration.conformance.proxies import PROXIES, Proxy, in_front_of, program
from tests.integration.conformance.servers import OURS, PLAIN, PUBLISHED, THREADS, running
from tests.integration.conformance.table import CASES, Result, run

SERVERS = (OURS, THREADS, PLAIN, PUBLISHED)
WIDTH = 24
UNEXPLAINED = "no reason is known"


class Notes:
    """The reasons, numbered in order of appearance."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers) + 1)


def main() -> int:
    """The command; returns 1 if a difference has no reason."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.conformance", description=__doc__)
    parser.add_argument("--case", default="*", help="pattern of the cases' names")
    parser.add_argument("--server", action="append", choices=SERVERS, help="only this server; can be repeated")
    options = parser.parse_args()
    chosen = tuple(options.server or SERVERS)
    cases = [case for case in CASES if fnmatch.fnmatchcase(case.name, options.case)]
    with tempfile.TemporaryDirectory() as folder:
        results = {name: _results(name, cases, Path(folder)) for name in chosen}
    notes = Notes()
    _line("case", "RFC", *chosen, "differences")
    for row in zip(*results.values(), strict=True):
        named = dict(zip(chosen, row, strict=True))
        _line(
            row[0].case.name,
            row[0].case.rfc,
            *(_short(each.outcome) for each in row),
            ", ".join(_verdicts(named, notes)),
        )
    _summary(results, notes)
    twice = sum([_through_proxy(name, cases) for name in PROXIES if OURS in chosen])
    return int(UNEXPLAINED in notes.numbers or twice > 0)


def _results(name: str, cases: list[Case], folder: Path) -> list[Result]:
    with running(name, folder) as server:
        found = []
        for number, case in enumerate(cases):
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{name}: {number + 1} of {len(cases)}\x1b[K")
            found.append(run(case, server))
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        return found


def _verdicts(row: dict[str, Result], notes: Notes) -> Iterator[str]:
    """The servers that differ, with the numbers of the reasons."""
    for name, result in row.items():
        if result.wrongs:
            numbers = dict.fromkeys(notes.number(each or UNEXPLAINED) for each in reasons(name, result))
            yield f"{name} {' '.join(f'[{number}]' for number in numbers)}"


def _summary(results: dict[str, list[Result]], notes: Notes) -> None:
    _say("")
    for text, number in notes.numbers.items():
        _say(f"[{number}] {text}")
    _say("")
    for name, each in results.items():
        right = sum(not result.wrongs for result in each)
        _say(
            f"{name}: {right} of {len(each)} as the RFCs want, {sum(each.outcome == 'crash' for each in each)} crashes"
        )


def _forwarded(started: AbstractContextManager[Proxy], cases: list[Case]) -> list[Forwarded]:
    with started as proxy:
        return [forward(case, proxy) for case in cases]


def _through_proxy(name: str, cases: list[Case]) -> int:
    """The number of cases that failed behind the proxy."""
    if program(name) is None:
        _say(f"{name} in front of ours: not installed")
        return 0
    with tempfile.TemporaryDirectory() as made, running(OURS, folder := Path(made)) as worker:
        results = _forwarded(in_front_of(worker, name, folder), cases)
    for each in results:
        for wrong in each.wrongs:
            _say(f"{name} in front of ours: {each.case.name}: {wrong}")
    wrongs = sum(bool(each.wrongs) for each in results)
    requests, forwarded = sum(each.requests for each in results), sum(each.requests > 0 for each in results)
    _say(
        f"{name} in front of ours: of {len(results)} cases {forwarded} forwarded, {requests} requests served, "
        f"{wrongs} read as something else"
    )
    return wrongs


def _short(outcome: str) -> str:
    return outcome if len(outcome) < WIDTH else f"{outcome[:12]}...{outcome[-6:]}"


def _line(name: str, rfc: str, *columns: str) -> None:
    _say(f"{name:52.52} {rfc:24.24} " + " ".join(f"{column:<{WIDTH}}" for column in columns).rstrip())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
