"""Rate limits in fixed windows of one minute: workers claim batches of a limit from memcached.

A worker that has claimed `n` requests may let `n` requests pass without asking memcached. What it has not used at the
end of the window is lost, so a batch is only a twentieth of the limit, or what is left of the limit if that is less.
Without memcached (not configured, down or slow) each worker counts alone: the limit then holds per worker.
"""

import hashlib
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from app.coherence.kept_answers import Cells
from app.config import Limits
from app.errors import RateLimited
from app.infra.addresses import network_of
from app.infra.cooperative import Event
from app.infra.memcache.client import Memcache

WINDOW_SECONDS = 60
TRACKED_KEYS = 20_000
IDLE_WINDOWS = 10
"""Windows after which a key that nobody uses is forgotten."""
CLAIM_SECONDS = 1.0
OPEN = "open"

Key = tuple[Literal["user", "session", "email", "network", "account at network", "service"], int | str]
"""(kind, identity) that is counted; the same identity of another kind is another key."""


LEFT, WINDOW = 0, 1


class Allowance:
    """The requests that this worker may still let pass, for one key in the present window.

    `cells` holds what is left and the number of the window. It is the same object in all windows: the server takes
    requests from it, too, for the answers that it keeps.
    """

    __slots__ = ("cells", "claim", "used_up")

    def __init__(self) -> None:
        self.cells = array("q", (0, 0))
        self.used_up = 0
        """The limit that has nothing left in this window; another limit, which is live, may have. 0: not known yet."""
        self.claim: Event | None = None

    def open(self, window: int) -> None:
        """Begin `window`; what was left of the one before is lost."""
        self.cells[LEFT], self.cells[WINDOW], self.used_up = 0, window, 0


class RateLimiter:
    """`take` lets a request pass or raises RateLimited; a limit of 0 means no limit."""

    def __init__(self, memcache: Memcache, clock: Callable[[], float] = time.time) -> None:
        self._memcache, self._clock = memcache, clock
        self._allowances: OrderedDict[tuple[str, Key], Allowance] = OrderedDict()

    def take(self, policy: str, key: Key, limit: int, requests: int = 1) -> tuple[int, int] | None:
        """Count a request, or one that costs as much as several; None if there is no limit.

        Returns (left in this worker's claim, seconds until the window ends).
        """
        if limit == 0:
            return None
        now = int(self._clock())
        window = now // WINDOW_SECONDS
        resets_in = (window + 1) * WINDOW_SECONDS - now
        allowance = self._allowances.get((policy, key))
        if allowance is None or allowance.cells[WINDOW] != window:
            allowance = self._open(policy, key, window)
        cells = allowance.cells
        while cells[LEFT] < requests and allowance.used_up != limit:
            self._claim(allowance, policy, key, limit)
        if cells[LEFT] < requests:
            raise RateLimited(policy, limit, WINDOW_SECONDS, resets_in)
        left = cells[LEFT] = cells[LEFT] - requests
        return left, resets_in

    def take_open(self, address: str | None, limits: Limits, requests: int = 1) -> None:
        """Count a request without a session for the network of the client's `address`; raises RateLimited."""
        self.take(OPEN, _network(address, limits), limits.open_requests_per_address, requests)

    def cells(self, policy: str, key: Key, limit: int) -> Cells:
        """The cells from which `take` took a request; None without a limit."""
        found = self._allowances.get((policy, key)) if limit else None
        return None if found is None else found.cells

    def open_cells(self, address: str | None, limits: Limits) -> Cells:
        """The cells from which `take_open` took a request; None without a limit."""
        return self.cells(OPEN, _network(address, limits), limits.open_requests_per_address)

    def _open(self, policy: str, key: Key, window: int) -> Allowance:
        allowance = self._allowances.get((policy, key))
        if allowance is None:
            allowance = self._allowances[policy, key] = Allowance()
        allowance.open(window)
        self._allowances.move_to_end((policy, key))
        self._forget(window)
        return allowance

    def _forget(self, window: int) -> None:
        """Forget two of the keys that were not used for the longest time, if there are too many or it is long enough.

        So they become fewer although each call may follow a key that is new, and no call takes long.
        """
        with suppress(KeyError, RuntimeError, StopIteration):  # another thread has changed the dictionary
            for _ in range(2):
                oldest = next(iter(self._allowances))
                idle = self._allowances[oldest].cells[WINDOW] < window - IDLE_WINDOWS
                if not idle and len(self._allowances) <= TRACKED_KEYS:
                    return
                del self._allowances[oldest]

    def _claim(self, allowance: Allowance, policy: str, key: Key, limit: int) -> None:
        """Claim a batch, one claim at a time: concurrent requests wait for it instead of claiming the whole limit."""
        if (under_way := allowance.claim) is not None:
            under_way.wait(CLAIM_SECONDS)
            return
        claim, window = Event(), allowance.cells[WINDOW]
        allowance.claim = claim
        try:
            granted, exhausted = self._granted(policy, key, window, max(1, limit // 20), limit)
            if allowance.cells[WINDOW] == window:  # else the claim was for a window that has ended meanwhile
                allowance.cells[LEFT] += granted
                allowance.used_up = limit if exhausted else 0
        finally:
            allowance.claim = None
            claim.set()

    def _granted(self, policy: str, key: Key, window: int, batch: int, limit: int) -> tuple[int, bool]:
        """(how many of `batch` are within `limit`, whether the limit is used up after them)."""
        total = self._memcache.count(counter_name(policy, key, window), batch, 2 * WINDOW_SECONDS)
        if total is None:
            return limit, True
        granted = max(0, min(batch, limit - (total - batch)))
        return granted, total >= limit


def _network(address: str | None, limits: Limits) -> Key:
    return "network", network_of(address, limits.ipv6_prefix)


def counter_name(policy: str, key: Key, window: int) -> str:
    """The counter's key in memcached; `repr` keeps kind and identity distinct, whatever characters they contain."""
    return f"rl:{policy}:{hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()}:{window}"
