"""Optional work: done beside the requests, so that it neither fails nor delays the act that it follows."""

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
    """One thread that works through at most `waiting` pieces in their order; it ends when it has been idle.

    What comes while so many wait is dropped, and so is what fails: whoever asks must be able to do without.
    """

    def __init__(self, waiting: int = WAITING) -> None:
        self._work: Queue[tuple[Callable[..., object], tuple[Any, ...]]] = Queue(waiting)
        self._lock = threading.Lock()
        self._running = False

    def do(self, work: Callable[..., object], *args: Any) -> bool:
        """Call `work(*args)` soon; False where it is dropped at once. Never raises and never waits."""
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
        """The next piece; None when there was none for some seconds, which ends the thread."""
        try:
            return self._work.get(timeout=IDLE_SECONDS)
        except Empty:
            pass
        with self._lock:
            self._running = not self._work.empty()
            return self._work.get_nowait() if self._running else None
