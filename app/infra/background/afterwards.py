"""Optional work after a request, in a background thread: it neither delays the request nor makes it fail."""

import logging
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Any

from app.errors import Unavailable

log = logging.getLogger(__name__)

WAITING = 1000
IDLE_SECONDS = 10.0


class Afterwards:
    """One thread with a queue of at most `waiting` calls, run in order; the thread ends after 10 s without work.

    Calls are dropped when the queue is full and not retried when they fail, so use it only for optional work.
    """

    def __init__(self, waiting: int = WAITING) -> None:
        self._work: Queue[tuple[Callable[..., object], tuple[Any, ...]]] = Queue(waiting)
        self._lock = threading.Lock()
        self._running = False

    def do(self, work: Callable[..., object], *args: Any) -> bool:
        """Queue `work(*args)`; False when the queue is full and the call is dropped. Never raises and never waits."""
        try:
            self._work.put_nowait((work, args))
        except Full:
            return False
        with self._lock:
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="afterwards", daemon=True).start()
        return True

    def _run(self) -> None:
        while (piece := self._next()) is not None:
            work, args = piece
            try:
                work(*args)
            except Unavailable as error:
                log.info("optional work is left out", extra={"reason": error.detail})
            except Exception:
                log.exception("optional work failed")

    def _next(self) -> tuple[Callable[..., object], tuple[Any, ...]] | None:
        """The next call; None after IDLE_SECONDS without one, which ends the thread."""
        try:
            return self._work.get(timeout=IDLE_SECONDS)
        except Empty:
            pass
        with self._lock:
            self._running = not self._work.empty()
            return self._work.get_nowait() if self._running else None
