"""Reads facts on replicas: a value is used only where the rule proves it at the position that the replica had replayed.

So a lagging replica serves what has not changed since, and what is too old is read from the primary. What a replica
does not have is never believed: no key stands for the existence of what nobody has changed yet.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from app.coherence.clock import S_IN_NS, Clock
from app.coherence.log.history import Position, State
from app.coherence.log.lease import Lease
from app.errors import Unavailable
from app.infra.metrics.counters import Counters, counter_of
from app.infra.postgres.replica import Place, Primary, Replica, ReplicaFailed

R = TypeVar("R")

BEHIND_S = 30.0
"""A replica that lags more is left alone."""
SAMPLES = 60


class Replayed(NamedTuple, Generic[R]):
    """What a replica has answered; the value held at `position` of the log, which `state` follows."""

    value: R
    state: State
    position: Position
    server: int

    def proves(self, keys: tuple[str, ...]) -> bool:
        """Whether nothing with these keys has changed since."""
        return self.state.proves(keys, self.position)


class Standing:
    """What is known of one replica: whether it is asked, and by how many seconds it lags (None: unknown)."""

    __slots__ = ("asked", "lag_s", "number", "reason", "replica")

    def __init__(self, number: int, replica: Replica) -> None:
        self.number, self.replica = number, replica
        self.asked = False
        self.lag_s: float | None = None
        self.reason = "it has not been asked yet"


class ReplicaReads:
    """The replicas of one worker; `watch` is called about every second, and until then none is used."""

    def __init__(
        self, replicas: Sequence[Replica], primary: Primary, lease: Lease, clock: Clock, counters: Counters
    ) -> None:  # fmt: skip
        self.standings = [Standing(number, each) for number, each in enumerate(replicas)]
        self._primary, self._lease, self._clock, self._counters = primary, lease, clock, counters
        self._turn = count()
        self._samples: list[tuple[Place, int]] = []

    def read(self, read: Callable[[], R]) -> Replayed[R] | None:
        """What `read` returns on one of the replicas; None when none can be asked, or lags so far that it is useless.

        For a caller with a lease, which must apply the rule to the keys of what was read.
        """
        if not self._lease.state.history.marks.line:
            return None
        usable = [each for each in self.standings if each.asked]
        if not usable:
            return None
        standing = usable[next(self._turn) % len(usable)]
        try:
            place, value = standing.replica.read(read)
        except ReplicaFailed as error:
            self._failed(standing, error)
            return None
        state = self._lease.state
        position = state.replayed(place)
        if position is None:
            self._add("replica_refused", standing.number)
            return None
        return Replayed(value, state, position, standing.number)

    def count(self, answer: Replayed[R], *, whole: bool) -> None:
        """Count a read that the replica has answered, or one of which the primary must answer at least a part."""
        self._add("replica_reads" if whole else "replica_refused", answer.server)

    def watch(self) -> None:
        """Close gaps in what is known of places, and find out which replicas can be asked and how far they lag."""
        state = self._lease.state
        try:
            place = self._primary.place()
        except Unavailable:
            place = None
        if place is not None:
            self._samples = [*self._samples[-SAMPLES:], (place, self._clock.now_ns())]
            if state.position:
                self._lease.anchor(state, place)
        for standing in self.standings:
            self._visit(standing)

    def show(self, gauge: Callable[[str, float], None]) -> None:
        """Set this worker's gauges."""
        gauge("replicas", len(self.standings))
        for each in self.standings:
            gauge(counter_of("replica_used", str(each.number + 1)), each.asked)
            gauge(counter_of("replica_lag_seconds", str(each.number + 1)), -1.0 if each.lag_s is None else each.lag_s)

    def _visit(self, standing: Standing) -> None:
        try:
            place = standing.replica.replayed()
        except ReplicaFailed as error:
            self._leave(standing, str(error))
            standing.lag_s = None
            return
        standing.lag_s = self._lag_s(place)
        standing.asked = standing.lag_s is not None and standing.lag_s <= BEHIND_S
        standing.reason = "" if standing.asked else "it is too far behind"

    def _lag_s(self, place: Place) -> float | None:
        """How long ago the primary was where the replica is now; at least BEHIND_S, or None, where nobody remembers."""
        known = [(at.lsn, at_ns) for at, at_ns in self._samples if at.line == place.line]
        passed = [at_ns for lsn, at_ns in known if lsn <= place.lsn]
        if not known or (passed and passed[-1] == known[-1][1]):
            return 0.0 if passed else None
        lag_s = (self._clock.now_ns() - (passed[-1] if passed else known[0][1])) / S_IN_NS
        return lag_s if passed or lag_s > BEHIND_S else None

    def _failed(self, standing: Standing, error: ReplicaFailed) -> None:
        self._add("replica_failures", standing.number)
        if error.away:
            self._leave(standing, str(error))

    def _add(self, name: str, server: int) -> None:
        self._counters.add(counter_of(name, str(server + 1)))

    def _leave(self, standing: Standing, reason: str) -> None:
        standing.asked, standing.reason = False, reason
