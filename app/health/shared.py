"""One answer for everybody who asks within a second, so that asking costs nothing."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from app.infra.cooperative import Event

T = TypeVar("T")

SHARED_SECONDS = 1.0
JOIN_LIMIT_SECONDS = 5.0


class Shared(Generic[T]):
    """`make` runs once for all; who joins it and waits in vain gets the value before, at first `initial`."""

    def __init__(self, make: Callable[[], T], initial: T, clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._value, self._clock = make, initial, clock
        self._made_at = float("-inf")
        self._making: Event | None = None

    def value(self) -> T:
        """At most a second old where `make` is not stuck."""
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
