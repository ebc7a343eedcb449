"""Sessions that are known to have ended. Eviction is safe: PostgreSQL still rejects the session."""

from collections.abc import Callable
from typing import Any

from app.coherence.clock import S_IN_NS
from app.coherence.facts.second_chance import SecondChanceCache
from app.coherence.facts.shared import SharedFacts
from app.coherence.kept_answers import NO_ANSWERS, KeptAnswers
from app.coherence.keys import session_key
from app.config import CacheTuning


class _Ended:
    __slots__ = ("until_ns", "used")
    size = 0

    def __init__(self, until_ns: int) -> None:
        self.until_ns, self.used = until_ns, False


class EndedSessions:
    """An ended session never becomes valid again, so no position is needed, and a late or stale entry is harmless."""

    def __init__(self, shared: SharedFacts[Any], now_ns: Callable[[], int]) -> None:
        self._shared, self._now_ns = shared, now_ns
        self._ended: SecondChanceCache[_Ended] = SecondChanceCache(1)
        self._find = self._ended.find
        self._ttl_s = 0
        self.answers: KeptAnswers = NO_ANSWERS

    def __contains__(self, session_id: int) -> bool:
        ended = self._find(session_id)
        if ended is None:
            return False
        ended.used = True
        return ended.until_ns > self._now_ns()

    def __len__(self) -> int:
        """How many are remembered in this process."""
        return len(self._ended)

    def add(self, session_id: int) -> None:
        """Remember the end of a session, for this worker and the others."""
        self._ended.put(session_id, _Ended(self._now_ns() + self._ttl_s * S_IN_NS))
        self.answers.forget([session_key(session_id)])
        self._shared.end(session_id, self._ttl_s)

    def apply(self, tuning: CacheTuning) -> None:
        """Apply new bounds at once; existing entries keep their expiry."""
        self._ttl_s = tuning.ttl_seconds
        self._ended.resize(tuning.capacity)
