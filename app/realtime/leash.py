"""Decides whether a channel may be sent to now: final logout for connections that stay open.

A channel rests on its session as an answer that the server keeps rests on its keys: a look at the log names what has
changed, and grants a lease from its start. What is named is doubted until PostgreSQL has been asked again, by a query
that began after the look was told here. A channel may be sent to

- while it is not doubted and the lease holds, or
- for LEASE_MAX_MS after the start of a query that found its session live. Whoever ends a session waits longer than
  that between the commit, which the query did not see, and the answer (`app/coherence/publisher.py`).

The second rule alone serves while the log cannot be read. Without any log there is no such wait: what was found counts
for a second. All state belongs to the event loop.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from app.coherence.clock import MS_IN_NS, S_IN_NS, SYSTEM_CLOCK
from app.coherence.log.lease import LEASE_MAX_MS
from app.realtime.channel import Channel

ADRIFT_NS = S_IN_NS
"""Without a lease for so long, PostgreSQL is asked before each sending."""
now_ns = SYSTEM_CLOCK.now_ns


class Leash:
    """`doubt` is called with channels whose session must be asked for, `renewed` when a lease has been granted."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, doubt: Callable[[Iterable[Channel]], object],
        renewed: Callable[[], object], *, logged: bool,
    ) -> None:  # fmt: skip
        self._loop, self._doubt, self._renewed = loop, doubt, renewed
        self._until_ns = 0
        self._checked_for_ns = LEASE_MAX_MS * MS_IN_NS if logged else S_IN_NS
        self._by_key: defaultdict[str, set[Channel]] = defaultdict(set)

    @property
    def adrift(self) -> bool:
        """Whether there has been no lease for a while."""
        return now_ns() - self._until_ns > ADRIFT_NS

    @property
    def leased(self) -> bool:
        """Whether the lease holds now."""
        return now_ns() < self._until_ns

    def add(self, channel: Channel) -> None:
        for key in channel.keys:
            self._by_key[key].add(channel)

    def remove(self, channel: Channel) -> None:
        for key in channel.keys:
            self._by_key[key].discard(channel)
            if not self._by_key[key]:
                del self._by_key[key]

    def may_send(self, channel: Channel) -> bool:
        """Whether the session is known to live now."""
        if min(channel.ends_at, channel.claims.expires_at) <= time.time():
            return False
        now = now_ns()
        followed = not channel.doubted and now < self._until_ns
        return followed or now < channel.checked_ns + self._checked_for_ns

    def looked(self, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None:
        """Called by the thread that looks, before the lease begins."""
        self._soon(self._take, keys, start_ns + lease_ns)

    def lower(self, until_ns: int) -> None:
        """End the lease then at the latest."""
        self._soon(self._lower, until_ns)

    def forget(self, keys: Sequence[str] | None) -> None:
        """Doubt what rests on `keys`, or everything."""
        self._soon(self._take, keys, 0)

    def _soon(self, call: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *args)

    def _take(self, keys: Sequence[str] | None, until_ns: int) -> None:
        changed = self._by_key if keys is None else self._by_key.keys() & set(keys)
        if found := {channel for key in changed for channel in self._by_key[key]}:
            self._doubt(found)
        if until_ns:
            self._until_ns = until_ns
            if self.leased:  # otherwise the loop was busy for too long, and a later look is on its way
                self._renewed()

    def _lower(self, until_ns: int) -> None:
        self._until_ns = min(self._until_ns, until_ns)
