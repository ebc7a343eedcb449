"""One thread that runs the periodic tasks of a process."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0
FULL_BATCH = 100
"""Rows; no batch of a sweep is smaller, so that one with as many may have left some."""

PAUSE_S, PAUSE_SHARE = 1.0, 10.0
"""The pause of a sweep that is not done: at least a second, and ten times what its batch took."""


@dataclass
class _Task:
    seconds: float
    run: Callable[[], object]
    name: str
    due: float
    sweeps: bool = False


class Ticker:
    """Runs tasks one after another, each first after its period; a task that raises is logged and stays scheduled."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def every(self, seconds: float, run: Callable[[], object], name: str) -> None:
        """Run `run()` every `seconds`; to be called before `start`."""
        self._tasks.append(_Task(seconds, run, name, 0.0))

    def sweep(self, seconds: float, run: Callable[[], int], name: str) -> None:
        """As `every`, for a task that removes a batch of rows and returns how many.

        After a full batch the next one follows soon, when other tasks have had their turn.
        """
        self._tasks.append(_Task(seconds, run, name, 0.0, sweeps=True))

    def start(self) -> None:
        """Start the thread; call it once, in the process that is to run the tasks."""
        now = time.monotonic()
        for task in self._tasks:
            task.due = now + task.seconds
        self._thread.start()

    def stop(self) -> None:
        """Wait at most 10 s for the running task, and start no other."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _tick(self) -> None:
        while self._tasks:
            task = min(self._tasks, key=lambda each: each.due)
            if self._stopping.wait(max(task.due - time.monotonic(), 0.0)):
                return
            started, done = time.monotonic(), None
            try:
                done = task.run()
            except Exception:
                log.exception("the task %s failed", task.name)
            now = time.monotonic()
            task.due = now + _pause(task, done, now - started)


def _pause(task: _Task, done: object, took_s: float) -> float:
    """Seconds until the task runs again; batches take at most a tenth of a worker's time at one server."""
    if task.sweeps and isinstance(done, int) and done >= FULL_BATCH:
        return min(max(PAUSE_S, PAUSE_SHARE * took_s), task.seconds)
    return task.seconds
