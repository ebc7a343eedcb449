"""Values that are made of facts, as finished answers are: in this process only, under the same rule as the facts."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from app.coherence.clock import S_IN_NS, Clock
from app.coherence.facts.fact_cache import LocalFact
from app.coherence.facts.second_chance import SecondChanceCache
from app.coherence.log.history import Position
from app.coherence.log.lease import Lease
from app.config import CacheTuning
from app.infra.relying import relying

V = TypeVar("V")
CAPACITY = 200
"""Most values, where the tuning allows more."""


class DerivedCache(Generic[V]):
    """A value is used while the rule proves the keys of everything that it was made of."""

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease, self._clock = lease, clock
        self._current = lease.current
        self._local: SecondChanceCache[LocalFact[V]] = SecondChanceCache(1)
        self._find = self._local.find
        self._ttl_s = 0

    def __len__(self) -> int:
        return len(self._local)

    def apply(self, tuning: CacheTuning) -> None:
        """Apply new bounds at once."""
        self._ttl_s = tuning.ttl_seconds
        self._local.resize(min(tuning.capacity, CAPACITY))
        latest_ns = self._clock.now_ns() + tuning.ttl_seconds * S_IN_NS
        for fact in self._local.values():
            fact.expires_ns = min(fact.expires_ns, latest_ns)

    def find(self, key: int) -> V | None:
        """The value if it is proven under the lease of the caller."""
        state = self._current()
        fact = None if state is None else self._find(key)
        if state is None or fact is None or not fact.holds(state):
            return None
        fact.used = True
        if (part := relying.get()) is not None:
            part.rest_on(fact.keys, fact.position, fact.expires_ns)
        return fact.value

    def position(self) -> Position | None:
        """To be taken after `find` and before the first of the facts is loaded; None when nothing may be kept."""
        return self._lease.position()

    def put(self, key: int, value: V, keys: Iterable[str], position: Position | None, expires_at: float) -> None:
        """Keep what was made of facts with these keys; it is dropped a second before `expires_at`, as they are."""
        if position is None:
            return
        life_s = min(expires_at - 1.0 - self._clock.wall_s(), self._ttl_s)
        expires_ns = self._clock.now_ns() + int(life_s * S_IN_NS)
        self._local.put(key, LocalFact(value, tuple(dict.fromkeys(keys)), position, expires_ns))
