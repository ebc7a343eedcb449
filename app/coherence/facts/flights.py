"""Single flight: of concurrent callers that miss the same key, one loads it and the others wait."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from app.coherence.clock import Signal
from app.coherence.log.history import Position
from app.errors import Unavailable

V = TypeVar("V")

JOIN_LIMIT_S = 20.0


class Flight(Generic[V]):
    """One load; afterwards `value` held at `position`, and `fresh` says that this flight read it from PostgreSQL."""

    __slots__ = ("_done", "error", "following", "fresh", "position", "value")

    def __init__(self, done: Signal) -> None:
        self._done = done
        self.value: V | None = None
        self.position: Position | None = None
        self.fresh = False
        self.error: Exception | None = None
        self.following: Flight[V] | None = None

    def land(self, value: V | None, position: Position | None, *, fresh: bool) -> V | None:
        """Set the outcome; returns `value`."""
        self.value, self.position, self.fresh = value, position, fresh
        return value

    def wait(self) -> None:
        """Wait for the end; raises the leader's exception, or Unavailable after JOIN_LIMIT_S."""
        if not self._done.wait(JOIN_LIMIT_S):
            raise Unavailable("another request is still loading the same thing")
        if self.error is not None:
            raise self.error

    def over(self) -> None:
        """Wake the waiting callers."""
        self._done.set()


class Flights(Generic[V]):
    """At most one flight for each key at a time."""

    def __init__(self, signal: Callable[[], Signal]) -> None:
        self._signal = signal
        self._mutex = threading.Lock()
        self._flights: dict[int, Flight[V]] = {}

    def board(self, key: int, after: Flight[V] | None = None) -> tuple[Flight[V], bool]:
        """A flight, and whether the caller must lead it.

        Without `after` the flight may have begun before this call. With `after`, a flight that the caller has waited
        for, it began after that one had ended, and may have ended as well.
        """
        with self._mutex:
            flight = after.following if after is not None else None
            flight = flight or self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Flight(self._signal())
            if after is not None:
                after.following = flight
            return flight, leads

    def alone(self) -> Flight[V]:
        """A flight that no other caller can join."""
        return Flight(self._signal())

    @contextmanager
    def flying(self, key: int, flight: Flight[V]) -> Iterator[None]:
        """Lead `flight` in the block; the waiting callers are woken however the block ends.

        A killed leader (no `Exception`) leaves neither value nor error: the waiting callers then load by themselves.
        """
        try:
            yield
        except Exception as error:
            flight.error = error
            raise
        finally:
            with self._mutex:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            flight.over()
