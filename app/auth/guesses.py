"""Limit of wrong passwords: for each key, the failures of this minute and the checks in flight, in one number.

A check is counted before it begins, so that many concurrent checks cannot exceed the limit. It becomes a failure only
if the password was wrong: right passwords never use up the limit. Both counts are in one memcached counter, so that
each step is one atomic operation. Without memcached each worker counts alone.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from app.auth.audit.store import AuditStore
from app.auth.schemas import Client
from app.errors import RateLimited
from app.infra.background.afterwards import Afterwards
from app.infra.memcache.client import CacheUnavailable, Memcache
from app.web.limits import TRACKED_KEYS, WINDOW_SECONDS, Key, counter_name

LOGIN_FAILURES = "login_failures"
IN_FLIGHT = 1 << 32  # one check in flight; the lower 32 bits count failures
COME_BACK_SECONDS = 1
NOTED_PER_MINUTE = 100


class Guesses:
    """`check` verifies a password or raises RateLimited; a limit of 0 means no limit."""

    def __init__(self, memcache: Memcache, clock: Callable[[], float] = time.time) -> None:
        self._memcache, self._clock = memcache, clock
        self._alone: OrderedDict[str, int] = OrderedDict()

    def check(self, key: Key, limit: int, verify: Callable[[], bool]) -> bool:
        """Return the result of `verify`; False counts as a failure, an exception does not.

        Raises RateLimited until the end of the minute if the failures have reached the limit, or for one second if the
        failures and the checks in flight together exceed it.
        """
        if limit == 0:
            return verify()
        now = self._clock()
        window = int(now) // WINDOW_SECONDS
        name = counter_name(LOGIN_FAILURES, key, window)
        total, shared = self._begin(name)
        under_way, failed = divmod(total, IN_FLIGHT)
        right = True
        try:
            if failed + under_way > limit:
                resets_in = (window + 1) * WINDOW_SECONDS - int(now) if failed >= limit else COME_BACK_SECONDS
                raise RateLimited(LOGIN_FAILURES, limit, WINDOW_SECONDS, resets_in)
            right = verify()
        finally:
            self._end(name, IN_FLIGHT if right else IN_FLIGHT - 1, shared)
        return right

    def _begin(self, name: str) -> tuple[int, bool]:
        """Count this check as in flight; returns (the counter after it, whether the counter is in memcached)."""
        if (counted := self._memcache.count(name, IN_FLIGHT, 2 * WINDOW_SECONDS)) is not None:
            return counted, True
        total = self._alone[name] = self._alone.get(name, 0) + IN_FLIGHT
        self._alone.move_to_end(name)
        while len(self._alone) > TRACKED_KEYS:
            self._alone.popitem(last=False)
        return total, False

    def _end(self, name: str, by: int, shared: bool) -> None:
        """Subtract `by`; if memcached does not answer, the check counts as in flight until the minute ends."""
        if shared:
            with suppress(CacheUnavailable):
                self._memcache.primary.decr(name, by)
        elif name in self._alone:
            self._alone[name] = max(self._alone[name] - by, 0)


class Refusals:
    """Writes refused attempts to the audit log: one row per key and minute, at most 100 a minute per worker."""

    def __init__(self, audit: AuditStore, afterwards: Afterwards, clock: Callable[[], float] = time.time) -> None:
        self._audit, self._afterwards, self._clock = audit, afterwards, clock
        self._window, self._noted = 0, set[tuple[str, Key]]()

    def note(self, policy: str, key: Key, user_id: int | None, client: Client) -> None:
        """Write the row after the response; never raises."""
        window = int(self._clock()) // WINDOW_SECONDS
        if window != self._window:
            self._window, self._noted = window, set()
        if len(self._noted) < NOTED_PER_MINUTE and (policy, key) not in self._noted:
            self._noted.add((policy, key))
            self._afterwards.do(self._audit.record_refused_guess, policy, user_id, client)
