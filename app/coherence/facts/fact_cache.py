"""The cache of one kind of facts: local, then memcached, then PostgreSQL, with one load for concurrent callers."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from app.coherence.clock import S_IN_NS, Clock
from app.coherence.facts.flights import Flight, Flights
from app.coherence.facts.replicas import ReplicaReads
from app.coherence.facts.second_chance import SecondChanceCache
from app.coherence.facts.shared import Kind, SharedFact, SharedFacts
from app.coherence.log.change_log import REACH
from app.coherence.log.history import Position, State
from app.coherence.log.lease import Lease
from app.config import CacheTuning
from app.infra.metrics.counters import Counters, counter_of
from app.infra.postgres.replica import from_primary
from app.infra.relying import refuse, relying
from app.infra.tuning.fitness import FACT_KIB

V = TypeVar("V")


def _one_of(read: Callable[[int], V | None], keys: list[int]) -> Mapping[int, V]:
    value = read(keys[0])
    return {} if value is None else {keys[0]: value}


class LocalFact(Generic[V]):
    """A fact in this process; `position` advances when the fact is proven to hold at a later one."""

    __slots__ = ("expires_ns", "keys", "position", "size", "used", "value")

    def __init__(self, value: V, keys: tuple[str, ...], position: Position, expires_ns: int, size: int = 0) -> None:
        self.value, self.keys, self.position, self.expires_ns = value, keys, position, expires_ns
        self.size, self.used = size, False

    def holds(self, state: State) -> bool:
        """Whether the rule proves the fact and it has not expired; `state.start_ns` is precise enough as the time."""
        position = self.position
        if position != state.position:
            if not state.proves(self.keys, position):
                return False
            self.position = state.position
        return self.expires_ns > state.start_ns


class FactCache(Generic[V]):
    """Returns a value only if the rule proves it under the caller's lease, or if it was read after the call began."""

    def __init__(
        self, kind: Kind[V], shared: SharedFacts[V], lease: Lease, clock: Clock, counters: Counters
    ) -> None:  # fmt: skip
        self._kind, self._shared, self._lease, self._clock = kind, shared, lease, clock
        self._current = lease.current
        self._counters = counters
        self._hits, self._misses = (
            counters.place(counter_of(name, kind.name)) for name in ("fact_hits", "fact_misses")
        )
        self._local: SecondChanceCache[LocalFact[V]] = SecondChanceCache(1)
        self._find = self._local.find
        self._flights: Flights[V] = Flights(clock.signal)
        self._ttl_s = 0

    replicas: ReplicaReads | None = None
    """Where values are read if the rule can prove them; None: only on the primary."""

    def __len__(self) -> int:
        """How many facts are in this process."""
        return len(self._local)

    def apply(self, tuning: CacheTuning) -> None:
        """Apply new bounds at once; a shorter TTL also applies to the facts already in this process."""
        self._ttl_s = tuning.ttl_seconds
        most = sys.maxsize if self._kind.size is None else int(tuning.capacity * FACT_KIB[self._kind.name] * 1024)
        self._local.resize(tuning.capacity, most)
        latest_ns = self._clock.now_ns() + tuning.ttl_seconds * S_IN_NS
        for fact in self._local.values():
            fact.expires_ns = min(fact.expires_ns, latest_ns)

    def load(self, key: int, read: Callable[[int], V | None]) -> V | None:
        """The value of `key`, from `read(key)` when no fact can be proven; None when `read` returns None.

        Concurrent misses of the same key share one call of `read`, and the exception that it raises.
        """
        state = self._current()
        if state is not None:
            fact = self._find(key)
            # The first condition is that of `holds` when nothing has changed, without a call.
            if fact is not None and (
                (fact.position == state.position and fact.expires_ns > state.start_ns) or fact.holds(state)
            ):
                fact.used = True
                self._counters.cells[self._hits] += 1.0
                if relying.get() is not None:
                    self._relied(fact)
                return fact.value
        return self._load(key, read, state)

    def load_aged(
        self, key: int, read: Callable[[int], V | None], usable: Callable[[V], bool]
    ) -> tuple[V | None, bool]:  # fmt: skip
        """As `load`, or a value that is not proven and that `usable` accepts; and whether the value is proven.

        Without a lease nothing but PostgreSQL is asked, and no value is used after its expiry.
        """
        state = self._current()
        if state is not None:
            fact = self._find(key)
            shared = None if fact is not None else self._shared.get(key)
            if shared is not None and shared.value is not None and not self._accepts(key, shared):
                self._keep(key, shared.value, shared)
            fact = self._find(key)
            if fact is not None and fact.expires_ns > state.start_ns:
                proven = fact.holds(self._lease.state)
                if proven or usable(fact.value):
                    fact.used = True
                    self._relied(fact) if proven else refuse()
                    self._count(self._hits)
                    return fact.value, proven
        return self._load(key, read, state), True

    def load_many(self, keys: Sequence[int], read: Callable[[list[int]], Mapping[int, V]]) -> dict[int, V]:
        """Values in the order of `keys`; what `read` does not return is left out. One call of `read` at most."""
        wanted = list(dict.fromkeys(keys))
        known, ended = self._known(wanted)
        missing = [key for key in wanted if key not in known and key not in ended]
        if missing and self.replicas is not None:
            known |= self._from_replica(missing, read, self.replicas)[1]
            missing = [key for key in missing if key not in known]
        if missing:
            position = self._lease.position()
            found = read(missing) if self.replicas is None else from_primary(partial(read, missing))
            self._count(self._misses, len(missing))
            self._put_many(found, position)
            known |= found
        return {key: known[key] for key in wanted if key in known}

    def get(self, key: int) -> V | None:
        """The value of `key` when a fact about it can be proven."""
        return self.get_many((key,)).get(key)

    def get_many(self, keys: Sequence[int]) -> dict[int, V]:
        """The values that can be proven, with one pipelined read of the shared cache."""
        return self._known(list(dict.fromkeys(keys)))[0]

    def put(self, key: int, value: V, position: Position | None) -> None:
        """Keep a value that was read from PostgreSQL, or written, after this worker had reached `position`."""
        self._put_many({key: value}, position)

    def end(self, key: int) -> None:
        """Replace what is kept here and in the shared cache of something that has ended for ever and finally."""
        fact = self._find(key)
        if fact is not None:
            self._local.discard(key, fact)
        self._shared.end(key, self._ttl_s)

    def keep(self, key: int, value: V, position: Position) -> dict[str, tuple[bytes, int]]:
        """As `put`, but returns what is to be stored in the shared cache: (value, TTL in seconds) by key."""
        return self._shared.items(self._keep_many({key: value}, position))

    def _put_many(self, values: Mapping[int, V], position: Position | None) -> None:
        if position is not None:
            self._shared.set_many(self._keep_many(values, position))

    def _keep_many(self, values: Mapping[int, V], position: Position) -> dict[int, SharedFact[V]]:
        facts = {key: SharedFact(value, position, self._expiry(value)) for key, value in values.items()}
        for key, value in values.items():
            self._keep(key, value, facts[key])
        return facts

    def _load(self, key: int, read: Callable[[int], V | None], state: State | None) -> V | None:
        """Load `key` in a flight of this caller, or take the result of another caller's flight."""
        flight, leads = self._flights.board(key)
        refuse()
        # A flight that was under way may have read PostgreSQL before this call began, and before a change that was
        # final by then: its value needs proof. The flight after it began later, so a value that it read is good.
        if not leads:
            flight.wait()
            if state is not None and self._proven(key, flight):
                return self._hit(flight.value)
            flight, leads = self._flights.board(key, after=flight)
            if not leads:
                flight.wait()
                if flight.fresh or (state is not None and self._proven(key, flight)):
                    return self._hit(flight.value)
                flight = self._flights.alone()
        with self._flights.flying(key, flight):
            self._fill(key, read, state, flight)
        if flight.fresh and flight.value is not None and flight.position is not None:
            self._shared.set_many({key: SharedFact(flight.value, flight.position, self._expiry(flight.value))})
        return flight.value

    def _fill(self, key: int, read: Callable[[int], V | None], state: State | None, flight: Flight[V]) -> None:
        """Set the outcome of `flight`: a proven fact of a cache or a replica, else what the primary has."""
        if state is not None:
            fact = self._find(key)
            if fact is not None and fact.holds(self._lease.state):
                self._hit(flight.land(fact.value, fact.position, fresh=False))
                return
            shared = self._shared.get(key)
            if shared is not None and self._accepts(key, shared):
                self._hit(flight.land(shared.value, shared.position, fresh=shared.value is None))
                return
            if self.replicas is not None:
                position, found = self._from_replica([key], partial(_one_of, read), self.replicas)
                if found:
                    flight.land(found[key], position, fresh=False)
                    return
        position, value = self._read(key, read)
        self._count(self._misses)
        if value is not None and position is not None:
            self._keep(key, value, SharedFact(value, position, self._expiry(value)))
        flight.land(value, position, fresh=True)

    def _read(self, key: int, read: Callable[[int], V | None]) -> tuple[Position | None, V | None]:
        """(position, value) from PostgreSQL; the position is taken *before* the read, so that later changes count."""
        position = self._lease.position()
        return position, read(key) if self.replicas is None else from_primary(partial(read, key))

    def _from_replica(
        self, keys: list[int], read: Callable[[list[int]], Mapping[int, V]], replicas: ReplicaReads
    ) -> tuple[Position | None, Mapping[int, V]]:  # fmt: skip
        """Those of the values that a replica has and the rule proves under the caller's lease, and their position."""
        answer = replicas.read(partial(read, keys)) if self._current() is not None else None
        if answer is None:
            return None, {}
        proven = {key: value for key, value in answer.value.items() if answer.proves(self._kind.keys(key, value))}
        self._count(self._misses, len(proven))
        position = answer.state.position
        self._put_many(proven, position)
        replicas.count(answer, whole=len(proven) == len(keys))
        return position, proven

    def _known(self, keys: list[int]) -> tuple[dict[int, V], set[int]]:
        """What is known without PostgreSQL: values by key, and the keys that have ended for ever."""
        state = self._current()
        if state is None:
            return {}, set()
        known: dict[int, V] = {}
        for key in keys:
            fact = self._find(key)
            if fact is not None and fact.holds(state):
                fact.used = True
                known[key] = fact.value
                if relying.get() is not None:
                    self._relied(fact)
        ended: set[int] = set()
        if len(known) < len(keys):
            refuse()
            for key, shared in self._shared.get_many([key for key in keys if key not in known]).items():
                if shared.value is None:
                    ended.add(key)
                elif self._accepts(key, shared):
                    known[key] = shared.value
        self._count(self._hits, len(known) + len(ended))
        return known, ended

    def _accepts(self, key: int, shared: SharedFact[V]) -> bool:
        """Whether a shared fact is proven; if its position is a little ahead of ours, the log is read again first."""
        value = shared.value
        if value is None:
            return True
        state = self._lease.state
        if 0 < shared.position - state.position <= REACH:
            state = self._lease.renewed() or state
        if not state.proves(self._kind.keys(key, value), shared.position):
            return False
        self._keep(key, value, shared)
        return True

    def _proven(self, key: int, flight: Flight[V]) -> bool:
        """Whether the rule proves the value of a flight that began before the caller asked."""
        value, position = flight.value, flight.position
        if value is None or position is None:
            return False
        return self._lease.state.proves(self._kind.keys(key, value), position)

    def _keep(self, key: int, value: V, fact: SharedFact[V]) -> None:
        life_s = min(fact.expires_at - self._clock.wall_s(), self._ttl_s)
        expires_ns = self._clock.now_ns() + int(life_s * S_IN_NS)
        size = 0 if self._kind.size is None else self._kind.size(value)
        self._local.put(key, LocalFact(value, self._kind.keys(key, value), fact.position, expires_ns, size))

    def _expiry(self, value: V) -> float:
        """When the fact expires: 1 s before the thing itself, whose expiry may have been extended meanwhile."""
        latest = self._clock.wall_s() + self._ttl_s
        return latest if self._kind.expires_at is None else min(latest, self._kind.expires_at(value) - 1.0)

    def _count(self, place: int, n: int = 1) -> None:
        self._counters.cells[place] += n

    def _relied(self, fact: LocalFact[V]) -> None:
        """The answer under way rests on `fact`, as it is now: a later one of its key may have another position."""
        part = relying.get()
        if part is not None:
            part.rest_on(fact.keys, fact.position, fact.expires_ns)
            part.count(self._hits)
            if self._kind.expires_at is not None:
                part.end_at(self._kind.expires_at(fact.value) - 1.0)

    def _hit(self, value: V | None) -> V | None:
        self._count(self._hits)
        return value
