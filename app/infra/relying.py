"""What the answer of a request rests on, collected while the request is served, so that the server may keep the answer.

Each fact that is used adds its keys, position and expiry to the part of the answer that is being made. What was read
elsewhere, from PostgreSQL or memcached, refuses the part: nothing is kept then.
"""

import time
from contextvars import ContextVar

FOREVER_NS = 1 << 62
FOREVER_S = 1 << 40
_S_IN_NS = 1_000_000_000


class Part:
    """What one part of an answer rests on: that the token may have it, or what the page shows."""

    __slots__ = ("counted", "expires_ns", "keys", "position", "refused", "until_s")

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.position: int | None = None
        """The least position of its facts, None without any."""
        self.expires_ns = FOREVER_NS
        """By CLOCK_BOOTTIME."""
        self.until_s: float = FOREVER_S
        """By the wall clock, in seconds since 1970."""
        self.counted: dict[int, int] = {}
        """What each answer adds to the counters, by their places."""
        self.refused = False

    def rest_on(self, keys: tuple[str, ...], position: int, expires_ns: int) -> None:
        """Add a fact that was used."""
        self.keys.update(dict.fromkeys(keys))
        self.position = position if self.position is None else min(self.position, position)
        self.expires_ns = min(self.expires_ns, expires_ns)

    def count(self, *places: int) -> None:
        """Each answer adds 1 to the counters at these places."""
        for place in places:
            self.counted[place] = self.counted.get(place, 0) + 1

    def end_at(self, until_s: float) -> None:
        """The part does not hold at `until_s` or later."""
        self.until_s = min(self.until_s, until_s)


relying: ContextVar[Part | None] = ContextVar("relying", default=None)
"""The part that this request makes now; None when its answer is not to be kept."""


def refuse() -> None:
    """Something was used that is no fact of this process."""
    part = relying.get()
    if part is not None:
        part.refused = True


def period(seconds: int) -> int:
    """The number of the present period of so many seconds, for what may be as old; the answer ends with the period."""
    length_ns = seconds * _S_IN_NS
    number = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // length_ns
    part = relying.get()
    if part is not None:
        part.expires_ns = min(part.expires_ns, (number + 1) * length_ns)
    return number
