"""Leader election by a Lease object: at most one operator acts, and it knows for how long it still may.

As in client-go's leaderelection, no clock of another machine is believed: a Lease has run out when this process has not
seen it change for its whole duration, and our own has when we have not renewed it for its duration since we *began* to.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)


class LeaseConflict(Exception):
    """Somebody else has written the Lease since it was read."""


@dataclass(frozen=True)
class LeaseRecord:
    """What the object says; `version` is what a write must find unchanged, `acquired` a time in ISO 8601 or now."""

    holder: str
    duration_s: float
    version: str
    acquired: str = ""
    transitions: int = 0


class LeaseStore(Protocol):
    """Where the Lease is kept; a write raises LeaseConflict when it lost a race."""

    async def read_lease(self, name: str) -> LeaseRecord | None: ...

    async def create_lease(self, name: str, holder: str, duration_s: float) -> None: ...

    async def replace_lease(self, name: str, record: LeaseRecord) -> None: ...


class Leadership:
    """`remaining_s` says for how long this process may act; 0 means not at all.

    `identity` is the pod's name: a container that restarts in the same pod takes up its own Lease at once.
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

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._held_until - self._clock())

    @property
    def holds(self) -> bool:
        return self.remaining_s > 0

    async def keep(self, changed: Callable[[bool], object], beat: Callable[[], object] = lambda: None) -> None:
        """Acquire and renew until cancelled; calls `changed(holds)` on each change and `beat()` after each attempt."""
        held = False
        while True:
            try:
                async with asyncio.timeout(self._duration_s / 3):
                    await self.attempt()
            except Exception as error:  # noqa: BLE001 - whatever keeps us from renewing, the Lease runs out by itself
                log.warning("the Lease %s could not be renewed: %s", self._name, str(error) or type(error).__name__)
            if held != self.holds:
                held = self.holds
                log.info("%s the Lease %s", "holding" if held else "not holding", self._name)
                changed(held)
            beat()
            await asyncio.sleep(self._duration_s / 5)

    async def attempt(self) -> None:
        """Once: take the Lease if it is free, ours or run out; forget it as soon as another's name is on it."""
        started = self._clock()
        found = await self._store.read_lease(self._name)
        try:
            if found is None:
                await self._store.create_lease(self._name, self._identity, self._duration_s)
            elif found.holder in ("", self._identity) or self._has_run_out(found):
                await self._store.replace_lease(self._name, self._renewed(found))
            else:
                self._held_until = 0.0
                return
        except LeaseConflict:
            self._held_until = 0.0
            return
        self._held_until = started + self._duration_s

    async def release(self) -> None:
        """Let the next one begin at once; best effort."""
        if not self.holds:
            return
        self._held_until = 0.0
        try:
            async with asyncio.timeout(2):
                found = await self._store.read_lease(self._name)
                if found is not None and found.holder == self._identity:
                    record = LeaseRecord("", 1, found.version, found.acquired, found.transitions)
                    await self._store.replace_lease(self._name, record)
        except Exception as error:  # noqa: BLE001 - it runs out by itself
            log.warning("the Lease %s could not be released: %s", self._name, error)

    def _renewed(self, found: LeaseRecord) -> LeaseRecord:
        if found.holder == self._identity:
            return LeaseRecord(self._identity, self._duration_s, found.version, found.acquired, found.transitions)
        return LeaseRecord(self._identity, self._duration_s, found.version, transitions=found.transitions + 1)

    def _has_run_out(self, found: LeaseRecord) -> bool:
        if self._seen is None or self._seen[0] != found.version:
            self._seen = (found.version, self._clock())
        return self._clock() - self._seen[1] > found.duration_s
