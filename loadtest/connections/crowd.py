"""Processes that together hold many connections, each process from its own source address."""

import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from app.local.process import LocalError
from loadtest.bed import CHECKOUT
from loadtest.connections.client import Outcome

EACH = 5_000


class Crowd:
    """`connections` to `port`, 5,000 per process; leaving the block closes them."""

    def __init__(self, connections: int, port: int) -> None:
        self._port = port
        self._shares = [min(EACH, connections - start) for start in range(0, connections, EACH)]
        self._processes = [_spawn() for _ in self._shares]

    def open(self, request: bytes, at_once: int) -> Outcome:
        """Open all connections with one request on each; at most `at_once` are pending in each process."""
        common = {"port": self._port, "request": request.decode(), "at_once": at_once}
        return self._do(
            [
                common | {"connections": share, "source": f"127.0.0.{number + 2}"}
                for number, share in enumerate(self._shares)
            ]
        )

    def ask(self, request: bytes, at_once: int) -> Outcome:
        """Send the request once on each connection."""
        return self._do([{"request": request.decode(), "at_once": at_once}] * len(self._processes))

    def _do(self, orders: Sequence[dict[str, Any]]) -> Outcome:
        for process, order in zip(self._processes, orders, strict=True):
            assert process.stdin is not None, "a pipe was asked for"  # noqa: S101
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        return _together([_outcome(process) for process in self._processes])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


def _spawn() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "loadtest.connections.client"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        text=True,
    )


def _outcome(process: "subprocess.Popen[str]") -> Outcome:
    assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
    line = process.stdout.readline()
    if not line:
        raise LocalError("a process that held connections has ended")
    return Outcome(**json.loads(line))


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    whole = Outcome(seconds=max(each.seconds for each in outcomes))
    for each in outcomes:
        whole.answered += each.answered
        whole.latencies_ms += each.latencies_ms
        for why, number in each.failures.items():
            whole.failures[why] = whole.failures.get(why, 0) + number
    return whole
