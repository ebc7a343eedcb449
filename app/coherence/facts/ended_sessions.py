"""The memory of sessions that have ended; being forgotten here revives nobody."""

from collections.abc import Callable
from typing import Any

from app.coherence.clock import S_IN_NS
from app.coherence.facts.second_chance import Bounded
from app.coherence.facts.shared import SharedFacts
from app.config import CacheTuning


class _Grave:
    __slots__ = ("until_ns", "used")

    def __init__(self, until_ns: int) -> None:
        self.until_ns, self.used = until_ns, False


class DeadSessions:
    """Ended sessions never live again, so that no position is needed and other workers may be told at any time."""

    def __init__(self, shared: SharedFacts[Any], now_ns: Callable[[], int]) -> None:
        self._shared, self._now_ns = shared, now_ns
        self._graves: Bounded[_Grave] = Bounded(1)
        self._find = self._graves.find
        self._ttl_s = 0

    def __contains__(self, session_id: int) -> bool:
        grave = self._find(session_id)
        if grave is None:
            return False
        grave.used = True
        return grave.until_ns > self._now_ns()

    def __len__(self) -> int:
        """How many are remembered in this process."""
        return len(self._graves)

    def add(self, session_id: int) -> None:
        """Remember the end of a session, for this worker and the others."""
        self._graves.put(session_id, _Grave(self._now_ns() + self._ttl_s * S_IN_NS))
        self._shared.end(session_id, self._ttl_s)

    def apply(self, tuning: CacheTuning) -> None:
        """Take new bounds at once; what is remembered keeps its term."""
        self._ttl_s = tuning.ttl_seconds
        self._graves.resize(tuning.capacity)
