"""Leader election by a Lease object: at most one operator acts, and it knows how long it may still act.

As in client-go's leaderelection, clocks of other machines are not trusted. Another holder's Lease has expired if this
process has seen no change of it for its whole duration. Our own expires one duration after the last successful renewal
*began*.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)


class LeaseConflict(Exception):
    """The Lease has been written since it was read."""


@dataclass(frozen=True)
class LeaseRecord:
    """Contents of the Lease. `version`: the resourceVersion a write requires. `acquired`: ISO 8601; empty means now."""

    holder: str
    duration_s: float
    version: str
    acquired: str = ""
    transitions: int = 0


class LeaseStore(Protocol):
    """Storage of the Lease; a write raises LeaseConflict if the object has changed since it was read."""

    async def read_lease(self, name: str) -> LeaseRecord | None: ...

    async def create_lease(self, name: str, holder: str, duration_s: float) -> None: ...

    async def replace_lease(self, name: str, record: LeaseRecord) -> None: ...


class Leadership:
    """`remaining_s` is how long this process may still act, in seconds; 0: not at all.

    `identity` is the pod's name, so a container that restarts in the same pod keeps its Lease.
    """

    def __init__(
        self,
        store: LeaseStore,
        name: str,
        identity: str,
        *,
        duration_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._name, self._identity = store, name, identity
        self._duration_s, self._clock = duration_s, clock
        self._held_until = 0.0
        self._seen: tuple[str, float] | None = None
        self._taken = asyncio.Event()

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._held_until - self._clock())

    @property
    def holds(self) -> bool:
        return self.remaining_s > 0

    async def soon_holds(self) -> bool:
        """Whether this process holds the Lease, or takes it within the time for which a predecessor may keep it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.5 * self._duration_s):
                await self._taken.wait()
        return self.holds

    async def keep(self, changed: Callable[[bool], object], beat: Callable[[], object] = lambda: None) -> None:
        """Acquire and renew until cancelled; calls `changed(holds)` on each change and `beat()` after each attempt."""
        held = False
        while True:
            try:
                async with asyncio.timeout(self._duration_s / 3):
                    await self.attempt()
            except Exception as error:  # noqa: BLE001 - whatever prevents renewal, the Lease expires by itself
                log.warning("the Lease %s could not be renewed: %s", self._name, str(error) or type(error).__name__)
            if held != self.holds:
                held = self.holds
                log.info("%s the Lease %s", "holding" if held else "not holding", self._name)
                changed(held)
            beat()
            await asyncio.sleep(self._duration_s / 5)

    async def attempt(self) -> None:
        """Try once to take or renew the Lease: if it is free, ours or expired. Otherwise stop holding it."""
        started = self._clock()
        found = await self._store.read_lease(self._name)
        try:
            if found is None:
                await self._store.create_lease(self._name, self._identity, self._duration_s)
            elif found.holder in ("", self._identity) or self._has_run_out(found):
                await self._store.replace_lease(self._name, self._renewed(found))
            else:
                self._lose()
                return
        except LeaseConflict:
            self._lose()
            return
        self._held_until = started + self._duration_s
        self._taken.set()

    async def release(self) -> None:
        """Give up the Lease, so that another operator can take it at once; best effort."""
        if not self.holds:
            return
        self._lose()
        try:
            async with asyncio.timeout(2):
                found = await self._store.read_lease(self._name)
                if found is not None and found.holder == self._identity:
                    record = LeaseRecord("", 1, found.version, found.acquired, found.transitions)
                    await self._store.replace_lease(self._name, record)
        except Exception as error:  # noqa: BLE001 - it expires by itself
            log.warning("the Lease %s could not be released: %s", self._name, error)

    def _lose(self) -> None:
        self._held_until = 0.0
        self._taken.clear()

    def _renewed(self, found: LeaseRecord) -> LeaseRecord:
        if found.holder == self._identity:
            return LeaseRecord(self._identity, self._duration_s, found.version, found.acquired, found.transitions)
        return LeaseRecord(self._identity, self._duration_s, found.version, transitions=found.transitions + 1)

    def _has_run_out(self, found: LeaseRecord) -> bool:
        if self._seen is None or self._seen[0] != found.version:
            self._seen = (found.version, self._clock())
        return self._clock() - self._seen[1] > found.duration_s
