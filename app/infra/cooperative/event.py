"""A flag that callers wait for and that any thread or request may set."""

from app.infra.cooperative.waits import Parking, parking


class Event:
    """Like `threading.Event` without `clear`; waiting never blocks the other requests of the worker.

    No lock is needed: `set` raises the flag before it takes the list of waiters, and `wait` looks at the flag after it
    has put itself on the list, so that one of the two always sees the other.
    """

    __slots__ = ("_flag", "_waiting")

    def __init__(self) -> None:
        self._flag = False
        self._waiting: list[Parking] = []

    def is_set(self) -> bool:
        """Whether `set` has been called."""
        return self._flag

    def set(self) -> None:
        """Wake everyone who waits, now and later."""
        self._flag = True
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.unpark()

    def wait(self, timeout_s: float) -> bool:
        """True when the flag is up, False when `timeout_s` has passed before."""
        if self.is_set():
            return True
        place = parking()
        waiting = self._waiting
        waiting.append(place)
        if self.is_set():
            return True
        place.park(timeout_s)
        if not self.is_set():
            waiting.remove(place)
        return self.is_set()
