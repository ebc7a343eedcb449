"""A value that is computed at most once a second and shared by all requests."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from app.infra.cooperative import Event

T = TypeVar("T")

SHARED_SECONDS = 1.0
JOIN_LIMIT_SECONDS = 5.0


class Shared(Generic[T]):
    """Calls `make` for one request at a time; concurrent requests wait for it.

    On timeout they get the previous value, at first `initial`.
    """

    def __init__(self, make: Callable[[], T], initial: T, clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._value, self._clock = make, initial, clock
        self._made_at = float("-inf")
        self._making: Event | None = None

    def value(self) -> T:
        """The value, at most one second old unless `make` hangs."""
        if self._clock() - self._made_at < SHARED_SECONDS:
            return self._value
        if self._making is not None:
            self._making.wait(JOIN_LIMIT_SECONDS)
            return self._value
        making = self._making = Event()
        try:
            self._value = self._make()
            self._made_at = self._clock()
        finally:
            self._making = None
            making.set()
        return self._value
