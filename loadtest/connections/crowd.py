"""Processes that together hold many connections, each process from its own source address."""

from collections.abc import Sequence
from typing import Any

from loadtest.client_processes import ClientProcesses
from loadtest.connections.client import Outcome

EACH = 5_000


class Crowd(ClientProcesses):
    """`connections` to `port`, 5,000 per process; leaving the block closes them."""

    def __init__(self, connections: int, port: int) -> None:
        self._port = port
        self._shares = [min(EACH, connections - start) for start in range(0, connections, EACH)]
        super().__init__("loadtest.connections.client", len(self._shares))

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
        return self._do([{"request": request.decode(), "at_once": at_once}] * len(self._shares))

    def _do(self, orders: Sequence[dict[str, Any]]) -> Outcome:
        self.send(orders)
        return _together([Outcome(**each) for each in self.replies()])


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    whole = Outcome(seconds=max(each.seconds for each in outcomes))
    for each in outcomes:
        whole.answered += each.answered
        whole.latencies_ms += each.latencies_ms
        for why, number in each.failures.items():
            whole.failures[why] = whole.failures.get(why, 0) + number
    return whole
