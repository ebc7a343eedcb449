"""What became of each request: latencies in windows of time and for the whole run, refusals and failures."""

import threading
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.statistics import percentile

EXAMPLES = 20
"""Failures that are kept with their reason."""


class Unexpected(Exception):
    """An answer that nobody should get in this test; the message says which."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request; `group` has those of which one latency is judged together."""

    name: str
    group: str


@dataclass(slots=True)
class Told:
    """All requests of a kind: their latencies in ms, the statuses of refusals that were expected, and failures."""

    group: str
    latencies_ms: "array[float]" = field(default_factory=lambda: array("f"))
    refused: Counter[int] = field(default_factory=Counter)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A group of kinds in a window that ended at `at` seconds."""

    at: float
    requests: int
    p50_ms: float
    p99_ms: float


class Record:
    """Written by many threads; `window` is called by one."""

    def __init__(self) -> None:
        self.kinds: dict[str, Told] = {}
        self.windows: dict[str, list[Window]] = defaultdict(list)
        self.examples: list[str] = []
        self._lock = threading.Lock()
        self._latest: dict[str, list[float]] = defaultdict(list)

    def answered(self, kind: Kind, latency_ms: float, refused: int = 0) -> None:
        """`refused` is the status of a refusal that was expected."""
        with self._lock:
            told = self._told(kind)
            told.latencies_ms.append(latency_ms)
            if refused:
                told.refused[refused] += 1
            self._latest[kind.group].append(latency_ms)

    def failed(self, kind: Kind, reason: str) -> None:
        with self._lock:
            self._told(kind).failed += 1
            known = len(self.examples)
            if known < EXAMPLES:
                self.examples.append(f"{kind.name}: {reason}")
        if known < EXAMPLES:
            print(f"[soak] {kind.name}: {reason}", flush=True)

    def window(self, at: float) -> None:
        """End the window that began when the last one ended."""
        with self._lock:
            latest, self._latest = self._latest, defaultdict(list)
        for group, found in latest.items():
            self.windows[group].append(_window(at, found))

    @property
    def failures(self) -> int:
        with self._lock:
            return sum(each.failed for each in self.kinds.values())

    def refused(self, group: str) -> tuple[int, int]:
        """How many requests of a group were refused as expected, and how many there were."""
        with self._lock:
            found = [each for each in self.kinds.values() if each.group == group]
            return sum(each.refused.total() for each in found), sum(len(each.latencies_ms) for each in found)

    @property
    def requests(self) -> int:
        with self._lock:
            return sum(len(each.latencies_ms) + each.failed for each in self.kinds.values())

    def _told(self, kind: Kind) -> Told:
        return self.kinds.setdefault(kind.name, Told(kind.group))


def _window(at: float, latencies_ms: Sequence[float]) -> Window:
    return Window(at, len(latencies_ms), percentile(latencies_ms, 0.5), percentile(latencies_ms, 0.99))
