"""A flag that callers wait for and that any thread or request may set."""

from collections import deque
from contextlib import suppress

from app.infra.cooperative.waits import Parking, parking


class Event:
    """Like `threading.Event` without `clear`; waiting never blocks the other requests of the worker.

    No lock is needed: `set` raises the flag before it empties the queue of waiters, and `wait` looks at the flag after
    it has put itself into the queue, so that one of the two always sees the other. The queue itself is changed in
    steps that threads see whole, and whoever leaves it by itself moves nobody else out of the sight of `set`.
    """

    __slots__ = ("_flag", "_waiting")

    def __init__(self) -> None:
        self._flag = False
        self._waiting: deque[Parking] = deque()

    def is_set(self) -> bool:
        """Whether `set` has been called."""
        return self._flag

    def set(self) -> None:
        """Wake everyone who waits, now and later. Each waiter is woken once, even if two threads set at a time."""
        self._flag = True
        with suppress(IndexError):
            while True:
                self._waiting.popleft().unpark()

    def wait(self, timeout_s: float) -> bool:
        """True when the flag is up, False when `timeout_s` has passed before."""
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
        """`set` may have taken the place out of the queue before."""
        with suppress(ValueError):
            self._waiting.remove(place)
