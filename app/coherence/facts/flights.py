"""Single flight: those who miss the same key at the same time wait for one of them to load it."""

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
    """One load; once it has landed, `value` held at `position`, and `fresh` tells that it was read in this flight."""

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
        """Return when it is over; raises what its leader got, and Unavailable when it takes too long."""
        if not self._done.wait(JOIN_LIMIT_S):
            raise Unavailable("another request is still loading the same thing")
        if self.error is not None:
            raise self.error

    def over(self) -> None:
        """Let those who wait go on."""
        self._done.set()


class Flights(Generic[V]):
    """At most one flight for each key at a time."""

    def __init__(self, signal: Callable[[], Signal]) -> None:
        self._signal = signal
        self._mutex = threading.Lock()
        self._flights: dict[int, Flight[V]] = {}

    def board(self, key: int, after: Flight[V] | None = None) -> tuple[Flight[V], bool]:
        """A flight, and whether the caller has to lead it.

        It may have begun before this call, unless the caller has waited for the flight `after`: what it gets then has
        begun when that was over, and may be over itself.
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
        """A flight that nobody joins."""
        return Flight(self._signal())

    @contextmanager
    def flying(self, key: int, flight: Flight[V]) -> Iterator[None]:
        """Lead `flight` in the block; however the block ends, nobody is left waiting.

        A leader that is killed (no `Exception`) leaves neither value nor error: those who waited load by themselves.
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
