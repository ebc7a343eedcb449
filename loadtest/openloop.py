"""An open-loop load generator: requests are sent at fixed times, however long the responses take.

A latency counts from the time at which its request was due. So a server that stalls is also charged for the requests
that should have been sent meanwhile (this avoids coordinated omission). `python -m loadtest.openloop` reads a plan from
standard input and prints the outcome, so that a generator runs in its own process.
"""

import dataclasses
import json
import os
import select
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from loadtest.client import Connection

FAILED = 0  # used as the status if there was no response
_SILENCE_S = 20.0
_LONG = 6  # responses of each connection


@dataclass(frozen=True)
class Plan:
    """`requests` are sent in turn: `count` in all, `rate` per second; an infinite rate keeps all `connections` busy."""

    port: int
    requests: Sequence[str]
    count: int
    rate: float
    connections: int


@dataclass
class Outcome:
    """`latencies_ms`: of all responses. `late_ms`: how late the generator sent each request.

    `steady_s`: of a plan that keeps all connections busy, from the response by which each connection had one on
    average until the last request was sent, thus without the ends, at which cores idle.
    """

    seconds: float = 0.0
    steady_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def per_second(self, connections: int) -> float:
        """Responses a second while all of so many connections were busy; of the whole plan if it is short."""
        number = len(self.latencies_ms)
        if number < _LONG * connections:
            return number / self.seconds
        return (number - 2 * connections) / self.steady_s

    def share(self, *statuses: int) -> float:
        return sum(self.statuses.get(each, 0) for each in statuses) / max(1, sum(self.statuses.values()))


class Generator:
    """Runs one plan in one thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [each.encode() for each in plan.requests]
        self._idle = deque(Connection(plan.port) for _ in range(plan.connections))
        self._due: dict[Connection, float] = {}
        self._sent, self._busy_from = 0, 0.0
        self._outcome, self._statuses = Outcome(), Counter[int]()

    def run(self) -> Outcome:
        """Returns when every request has a response, or after 20 s without any response."""
        for each in self._idle:
            each.fileno()
        self._start = self._answered_at = time.perf_counter()
        while self._goes_on():
            self._send_what_is_due()
            self._receive(self._pause())
        self._statuses[FAILED] += len(self._due)
        self._outcome.seconds = time.perf_counter() - self._start
        self._outcome.statuses = {status: number for status, number in self._statuses.items() if number}
        return self._outcome

    def _goes_on(self) -> bool:
        silent_s = time.perf_counter() - self._answered_at
        return silent_s < _SILENCE_S and (self._sent < self._plan.count or bool(self._due))

    def _due_at(self, number: int) -> float:
        return self._start + number / self._plan.rate

    def _send_what_is_due(self) -> None:
        while self._idle and self._sent < self._plan.count:
            due, now = self._due_at(self._sent), time.perf_counter()
            if due > now:
                break
            connection = self._idle.popleft()
            self._outcome.late_ms.append((now - due) * 1000)
            request = self._requests[self._sent % len(self._requests)]
            self._sent += 1
            try:
                connection.send(request)
            except OSError:
                self._fail(connection)
            else:
                self._due[connection] = now if self._plan.rate == float("inf") else due

    def _pause(self) -> float:
        """Seconds until the next request is due, for select: unlike poll and epoll it can wait less than 1 ms."""
        if not self._idle or self._sent >= self._plan.count:
            return 1.0
        return max(0.0, self._due_at(self._sent) - time.perf_counter())

    def _receive(self, timeout_s: float) -> None:
        readable, _, _ = select.select(list(self._due), [], [], timeout_s)
        for connection in readable:
            try:
                found = connection.receive()
            except OSError:
                self._fail(connection)
                continue
            if found is not None:
                self._answered_at = time.perf_counter()
                self._outcome.latencies_ms.append((self._answered_at - self._due.pop(connection)) * 1000)
                self._statuses[found[0]] += 1
                self._idle.append(connection)
                self._time_of_all_busy()

    def _time_of_all_busy(self) -> None:
        answered, ends = len(self._outcome.latencies_ms), self._plan.connections
        if answered == ends:
            self._busy_from = self._answered_at
        elif answered == self._plan.count - ends:
            self._outcome.steady_s = self._answered_at - self._busy_from

    def _fail(self, connection: Connection) -> None:
        connection.close()
        self._due.pop(connection, None)
        self._statuses[FAILED] += 1
        self._idle.append(connection)


class Running:
    """A generator in its own process; leaving the block stops it if it still runs."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtest.openloop"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None, "a pipe was asked for"  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(dataclasses.asdict(plan)).encode())
        self._process.stdin.close()

    def outcome(self) -> Outcome:
        """Wait for the end; raises RuntimeError if the generator failed."""
        assert self._process.stdout is not None, "a pipe was asked for"  # noqa: S101
        text = self._process.stdout.read()
        if self._process.wait() != 0:
            raise RuntimeError("the load generator failed")
        given = json.loads(text)
        given["statuses"] = {int(status): number for status, number in given["statuses"].items()}
        return Outcome(**given)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def prefer_this_process() -> None:
    """Use real-time scheduling if allowed (root), to behave like a client on a separate machine."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def generate(plan: Plan) -> Outcome:
    """Run `plan` in a process of its own."""
    with Running(plan) as running:
        return running.outcome()


if __name__ == "__main__":
    prefer_this_process()
    print(json.dumps(dataclasses.asdict(Generator(Plan(**json.load(sys.stdin))).run())))
