"""Processes that together hold the clients, each process from its own source address."""

from collections.abc import Callable, Sequence

from loadtest.client_processes import ClientProcesses

PROCESSES, AT_ONCE = 2, 100


class Crowd(ClientProcesses):
    """Clients of the gateway on `port`; the client of the token number i is in process i % PROCESSES."""

    def __init__(self, port: int) -> None:
        super().__init__("loadtest.realtime.client", PROCESSES)
        self._port = port

    def open(self, tokens: Sequence[str], within_s: float) -> tuple[int, float]:
        """Connect a client for each token; returns how many there are in the end, and the seconds that it took."""
        common = {"port": self._port, "at_once": AT_ONCE, "within_s": within_s}
        self.send(
            [
                common | {"source": f"127.0.0.{number + 2}", "tokens": tokens[number::PROCESSES]}
                for number in range(PROCESSES)
            ]
        )
        found = self.replies()
        return int(sum(each["opened"] for each in found)), max(each["seconds"] for each in found)

    def hear(
        self, shares: Sequence[int], within_s: float, act: Callable[[], dict[int, float]]
    ) -> tuple[list[float], int]:
        """Run `act`, which sends events, while the clients listen; `shares` of them go to the clients of each process.

        `act` returns when it sent each number, by CLOCK_MONOTONIC. Returns milliseconds until each arrival, and how
        many events did not arrive.
        """
        self.send([{"expected": expected, "within_s": within_s} for expected in shares])
        self.replies()
        sent = act()
        arrived = [(number, at) for each in self.replies() for number, at in each if number in sent]
        return [(at - sent[number]) * 1000 for number, at in arrived], sum(shares) - len(arrived)
