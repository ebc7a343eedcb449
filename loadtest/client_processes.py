"""Processes that act as clients: each gets orders and answers them, as lines of JSON."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from app.local.process import LocalError
from loadtest.bed import CHECKOUT


class ClientProcesses:
    """`count` processes that run `module`; leaving the block kills them."""

    def __init__(self, module: str, count: int) -> None:
        self._processes = [_spawn(module) for _ in range(count)]

    def send(self, orders: Sequence[Mapping[str, Any]]) -> None:
        """One order to each process."""
        for process, order in zip(self._processes, orders, strict=True):
            assert process.stdin is not None, "a pipe was asked for"  # noqa: S101
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()

    def replies(self) -> list[Any]:
        """The next answer of each process. Raises LocalError if one has ended."""
        with ThreadPoolExecutor(len(self._processes)) as pool:
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


def _spawn(module: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True
    )


def _reply(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
    line = process.stdout.readline()
    if not line:
        raise LocalError("a process of clients has ended")
    return json.loads(line)
