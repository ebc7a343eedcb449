"""Rate limits in fixed windows of one minute: workers claim batches of a limit from memcached.

A worker that has claimed `n` requests may let `n` requests pass without asking memcached. What it has not used at the
end of the window is lost, so a batch is only a twentieth of the limit, or what is left of the limit if that is less.
Without memcached (not configured, down or slow) each worker counts alone: the limit then holds per worker.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from app.config import Limits
from app.errors import RateLimited
from app.infra.addresses import network_of
from app.infra.cooperative import Event
from app.infra.memcache.client import Memcache

WINDOW_SECONDS = 60
TRACKED_KEYS = 20_000
CLAIM_SECONDS = 1.0
OPEN = "open"

Key = tuple[Literal["user", "session", "email", "network", "account at network"], int | str]
"""(kind, identity) that is counted; the same identity of another kind is another key."""


class Allowance:
    """The requests that this worker may still let pass, for one key in one window."""

    __slots__ = ("claim", "left", "used_up", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.left = 0
        self.used_up = False
        self.claim: Event | None = None


class RateLimiter:
    """`take` lets a request pass or raises RateLimited; a limit of 0 means no limit."""

    def __init__(self, memcache: Memcache, clock: Callable[[], float] = time.time) -> None:
        self._memcache, self._clock = memcache, clock
        self._allowances: OrderedDict[tuple[str, Key], Allowance] = OrderedDict()

    def take(self, policy: str, key: Key, limit: int) -> tuple[int, int] | None:
        """Count one request; returns (left in this worker's claim, seconds until the window ends), None if no limit."""
        if limit == 0:
            return None
        now = int(self._clock())
        window = now // WINDOW_SECONDS
        resets_in = (window + 1) * WINDOW_SECONDS - now
        allowance = self._allowances.get((policy, key))
        if allowance is None or allowance.window != window:
            allowance = self._open(policy, key, window)
        while allowance.left <= 0 and not allowance.used_up:
            self._claim(allowance, policy, key, limit)
        if allowance.left <= 0:
            raise RateLimited(policy, limit, WINDOW_SECONDS, resets_in)
        allowance.left -= 1
        return allowance.left, resets_in

    def take_open(self, address: str | None, limits: Limits) -> None:
        """Count a request without a session for the network of the client's `address`; raises RateLimited."""
        self.take(OPEN, ("network", network_of(address, limits.ipv6_prefix)), limits.open_requests_per_address)

    def _open(self, policy: str, key: Key, window: int) -> Allowance:
        allowance = self._allowances[policy, key] = Allowance(window)
        self._allowances.move_to_end((policy, key))
        if len(self._allowances) > TRACKED_KEYS:
            self._allowances.popitem(last=False)
        return allowance

    def _claim(self, allowance: Allowance, policy: str, key: Key, limit: int) -> None:
        """Claim a batch, one claim at a time: concurrent requests wait for it instead of claiming the whole limit."""
        if (under_way := allowance.claim) is not None:
            under_way.wait(CLAIM_SECONDS)
            return
        claim = allowance.claim = Event()
        try:
            granted, exhausted = self._granted(policy, key, allowance.window, max(1, limit // 20), limit)
            allowance.left += granted
            allowance.used_up = exhausted
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


def counter_name(policy: str, key: Key, window: int) -> str:
    """The counter's key in memcached; `repr` keeps kind and identity distinct, whatever characters they contain."""
    return f"rl:{policy}:{hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()}:{window}"
