"""Processes that together hold the clients, each process from its own source address."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from app.local.process import LocalError
from loadtest.bed import CHECKOUT

PROCESSES, AT_ONCE = 2, 100


class Crowd:
    """Clients of the gateway on `port`; the client of the token number i is in process i % PROCESSES."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._processes = [_spawn() for _ in range(PROCESSES)]

    def open(self, tokens: Sequence[str], within_s: float) -> tuple[int, float]:
        """Connect a client for each token; returns how many there are in the end, and the seconds that it took."""
        common = {"port": self._port, "at_once": AT_ONCE, "within_s": within_s}
        for number, process in enumerate(self._processes):
            _send(process, common | {"source": f"127.0.0.{number + 2}", "tokens": tokens[number::PROCESSES]})
        found = self._replies()
        return int(sum(each["opened"] for each in found)), max(each["seconds"] for each in found)

    def hear(
        self, shares: Sequence[int], within_s: float, act: Callable[[], dict[int, float]]
    ) -> tuple[list[float], int]:
        """Run `act`, which sends events, while the clients listen; `shares` of them go to the clients of each process.

        `act` returns when it sent each number, by CLOCK_MONOTONIC. Returns milliseconds until each arrival, and how
        many events did not arrive.
        """
        for process, expected in zip(self._processes, shares, strict=True):
            _send(process, {"expected": expected, "within_s": within_s})
        self._replies()
        sent = act()
        arrived = [(number, at) for each in self._replies() for number, at in each if number in sent]
        return [(at - sent[number]) * 1000 for number, at in arrived], sum(shares) - len(arrived)

    def _replies(self) -> list[Any]:
        with ThreadPoolExecutor(PROCESSES) as pool:
            return list(pool.map(_reply, self._processes))

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
        [sys.executable, "-m", "loadtest.realtime.client"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        text=True,
    )


def _send(process: "subprocess.Popen[str]", order: dict[str, Any]) -> None:
    assert process.stdin is not None, "a pipe was asked for"  # noqa: S101
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()


def _reply(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
    line = process.stdout.readline()
    if not line:
        raise LocalError("a process that held clients has ended")
    return json.loads(line)
