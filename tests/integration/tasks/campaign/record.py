"""The record of a campaign, one line for each event in a file that all processes append to, and the rules it must keep.

Times are seconds on the machine's monotonic clock, which does not differ between processes.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Event:
    """`kind`: sent, committed, rolled-back (of the task `what`, by who enqueues); began, ended (by the worker `pid`);

    started, killed, paused, resumed (of the process `pid`).
    """

    at: float
    kind: str
    what: str = ""
    pid: int = 0


class Record:
    """Appends to a file: a line is written at once, also by processes that are killed afterwards."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def add(self, kind: str, what: str = "", pid: int = 0) -> None:
        os.write(self._file, f"{time.monotonic()!r}|{kind}|{what}|{pid}\n".encode())

    @staticmethod
    def read(path: Path) -> list[Event]:
        lines = (line.split("|") for line in path.read_text().splitlines())
        return sorted((Event(float(at), kind, what, int(pid)) for at, kind, what, pid in lines), key=lambda it: it.at)


@dataclass(slots=True)
class Run:
    """One run of a task; `cut_off_s` is how long its process stood still meanwhile."""

    what: str
    pid: int
    began: float
    ended: float = float("inf")
    complete: bool = False
    cut_off_s: float = 0.0


@dataclass(slots=True)
class _Seen:
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    open: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    paused: dict[int, float] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        if event.kind == "began":
            run = Run(event.what, event.pid, event.at)
            self.runs[event.what].append(run)
            self.open[event.pid].append(run)
        elif event.kind == "ended":
            for run in [each for each in self.open[event.pid] if each.what == event.what]:
                run.ended, run.complete = event.at, True
                self.open[event.pid].remove(run)
        elif event.kind in ("started", "killed"):  # a process that starts again has ended all its threads
            for run in self.open.pop(event.pid, []):
                run.ended = event.at
        elif event.kind == "paused":
            self.paused[event.pid] = event.at
        elif event.kind == "resumed":
            for run in self.open[event.pid]:
                run.cut_off_s += event.at - max(self.paused[event.pid], run.began)


def violations(events: Iterable[Event], silent_s: float) -> list[str]:
    """What the record breaks of the promises in docs/tasks.md."""
    events, seen = list(events), _Seen()
    for event in events:
        seen.take(event)
    told = {kind: {each.what: each.at for each in events if each.kind == kind} for kind in
            ("sent", "committed", "rolled-back")}  # fmt: skip
    found = [
        f"{what} was committed and never done"
        for what in told["committed"]
        if not any(run.complete for run in seen.runs[what])
    ]
    for what, runs in seen.runs.items():
        if what in told["rolled-back"]:
            found.append(f"{what} was rolled back and done")
        if what in told["sent"] and runs[0].began < told["sent"][what]:
            found.append(f"{what} began before its commit")
        found += [
            f"{what} ran twice at once"
            for run, after in pairwise(runs)
            if after.began < run.ended and run.cut_off_s < 0.5 * silent_s
        ]
    return found
