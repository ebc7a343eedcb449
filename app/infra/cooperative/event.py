"""An event that any thread or request may set or wait for."""

from collections import deque
from contextlib import suppress

from app.infra.cooperative.waits import Parking, parking


class Event:
    """Like `threading.Event` without `clear`; waiting never blocks the other requests of the worker.

    No lock is needed: `set` sets the flag before it empties the queue, and `wait` checks the flag after it has queued
    itself, so at least one of them sees the other. Each operation on the deque is atomic, and a waiter that leaves
    after a timeout removes only itself, so `set` still finds all others.
    """

    __slots__ = ("_flag", "_waiting")

    def __init__(self) -> None:
        self._flag = False
        self._waiting: deque[Parking] = deque()

    def is_set(self) -> bool:
        """Whether `set` has been called."""
        return self._flag

    def set(self) -> None:
        """Wake all present waiters; later ones do not wait. Each is woken once, even if two threads call `set`."""
        self._flag = True
        with suppress(IndexError):
            while True:
                self._waiting.popleft().unpark()

    def wait(self, timeout_s: float) -> bool:
        """True when the event is set, False after `timeout_s`."""
        if self._flag:
            return True
        place = parking()
        self._waiting.append(place)
        try:
            if not self._flag:
                place.park(timeout_s)
        finally:
            self._leave(place)
        return self._flag

    def _leave(self, place: Parking) -> None:
        """Remove `place` from the queue, unless `set` has already done so."""
        with suppress(ValueError):
            self._waiting.remove(place)
