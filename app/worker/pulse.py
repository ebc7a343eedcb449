"""The heartbeat of a worker, and the end of the process when it was cut off from the database for too long."""

import logging
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from app.errors import Unavailable
from app.tasks.store import QueueStore

log = logging.getLogger(__name__)

BEATS = 4
"""Heartbeats within the time after which others take a silent worker's tasks."""
LAST_SHARE = 0.8
"""The share of that time after which a worker stops its tasks, so that it has ended before others begin."""
WATCH_S = 0.2


def boottime() -> float:
    """Seconds on a clock that also counts while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pulse:
    """Two threads: one tells the database that the worker lives, one watches how long ago that was.

    They also run while the worker drains. `restart` replaces the process, and with it every
    thread that runs a task: nothing less stops a thread for certain.
    """

    def __init__(self, store: QueueStore, silent_s: float, restart: Callable[[str], NoReturn]) -> None:
        self._store, self._silent_s, self._restart = store, silent_s, restart
        self._worker = 0
        self._last = 0.0
        self._over = threading.Event()

    def start(self, worker: int) -> None:
        """Begin; the worker was registered just now."""
        self._worker, self._last = worker, boottime()
        for each in (self._beat, self._watch):
            threading.Thread(target=each, name="pulse", daemon=True).start()

    def stop(self) -> None:
        """End, because no task runs any more."""
        self._over.set()

    @property
    def age_s(self) -> float | None:
        """How long ago the last heartbeat that arrived was sent; None before the worker is registered."""
        return boottime() - self._last if self._worker else None

    def _beat(self) -> None:
        pause_s = self._silent_s / BEATS
        while not self._over.wait(pause_s):
            sent = boottime()
            try:
                known = self._store.beat(self._worker)
            except Unavailable:
                pause_s = min(1.0, self._silent_s / BEATS)
                continue
            if not known and not self._over.is_set():
                self._restart("others have taken its tasks, as no heartbeat arrived")
            self._last, pause_s = sent, self._silent_s / BEATS

    def _watch(self) -> None:
        while not self._over.wait(WATCH_S):
            age_s = boottime() - self._last
            if age_s > LAST_SHARE * self._silent_s:
                self._restart(f"no heartbeat has arrived for {age_s:.0f} s")
