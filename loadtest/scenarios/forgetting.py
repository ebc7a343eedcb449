"""How long a worker stands still when its server forgets the answers that it keeps, and the memory that these take."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.config import Tuning
from app.local.process import LocalError
from loadtest.bed import Bed
from loadtest.client import encoded
from loadtest.openloop import Plan, generate
from loadtest.processes import resident_bytes
from loadtest.report import Row
from loadtest.scenarios import Effort
from tests.integration.server.kept import Client, KeepingServer

TOKENS, BODY = 16_000, 1_000
"""Users whose own profiles, of so many bytes, fill the default bound."""
CHANGES = 4_096
"""The most that one look reads."""
MOST_MS = 1.0
_SHARED = "shared"
_TOKENS = [f"token-{number}" for number in range(TOKENS)]
_STEPS: dict[str, list[Any]] = {
    "everything is forgotten": ["looked", None],
    "a change on which all rests": ["looked", [_SHARED]],
    f"{CHANGES:,} changes of sessions": ["looked", [f"Bearer {token}" for token in _TOKENS[:CHANGES]]],
    "the bound becomes 0": ["bound", 0],
}


def run(bed: Bed, effort: Effort) -> list[Row]:
    """In each round the memory is full; the time of the longest step of all rounds is judged.

    A step is a call of the server by the thread that serves requests. Its processor time counts, so that other
    processes on the cores do not. The server is that of the service, with an application that says what is kept.
    """
    bound = Tuning().cache.answers_bytes
    with (
        tempfile.TemporaryDirectory(prefix="jobfinder-forgetting-") as name,
        KeepingServer("meinheld", Path(name)) as server,
    ):
        filled = Filled(server, Client(server), bound)
        (worker,) = server.workers()
        empty = resident_bytes(worker)
        filled.fill()
        taken = resident_bytes(worker) - empty
        rows = [_row(what, [filled.longest_ms(*step) for _ in range(effort.rounds)]) for what, step in _STEPS.items()]
    size = f"{bound / 2**20:.0f} MiB of kept answers"
    return [Row(f"resident memory of {size}", f"{taken / 2**20:.1f} MiB, {filled.entries:,} entries"), *rows]


def _row(what: str, longest_ms: Sequence[float]) -> Row:
    told = f"longest step {max(longest_ms):.2f} ms of {len(longest_ms)} rounds"
    return Row(f"kept answers: {what}", told, f"<= {MOST_MS:g} ms", max(longest_ms) <= MOST_MS)


@dataclass
class Filled:
    """A server that keeps answers up to `bound` bytes; `position` is that of its last look."""

    server: KeepingServer
    client: Client
    bound: int
    position: int = 1
    entries: int = 0

    def fill(self) -> None:
        """Let each token have its page; the second miss is kept. Raises LocalError."""
        page = {"for_all": False, "keys": [_SHARED], "size": BODY, "position": self.position}
        self.client.do(["bound", self.bound], ["looked", self.position, []], ["page", "/own", page])
        requests = [encoded("GET", "/own", token).decode() for token in _TOKENS]
        assert self.server.address is not None, "it serves"  # noqa: S101
        outcome = generate(Plan(self.server.address[1], requests, 2 * len(requests), float("inf"), 8))
        (stats,) = self.client.do(["stats"])
        self.entries = stats["entries"]
        if outcome.share(200) != 1 or stats["bytes"] < 0.9 * self.bound:
            raise LocalError(f"{stats['bytes']:,} bytes are kept: {outcome.statuses}")

    def longest_ms(self, name: str, what: Any) -> float:
        """Of the step and those that free afterwards, one at each look."""
        self.fill()
        self.position += 1
        steps = [["bound", what] if name == "bound" else ["looked", self.position, what]]
        steps += [["looked", self.position, []]] * (2 * self.entries // 500)
        return float(max(self.client.do(*(["timed", *step] for step in steps))))
