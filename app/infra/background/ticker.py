"""One thread that runs the periodic tasks of a process."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0


@dataclass
class _Task:
    seconds: float
    run: Callable[[], object]
    name: str
    due: float


class Ticker:
    """Runs tasks one after another, each first after its period; a task that raises is logged and stays scheduled."""

    def __init__(self) -> None:
        self._tasks: list[_Task] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="ticker", daemon=True)

    def every(self, seconds: float, run: Callable[[], object], name: str) -> None:
        """Run `run()` every `seconds`; to be called before `start`."""
        self._tasks.append(_Task(seconds, run, name, 0.0))

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
            try:
                task.run()
            except Exception:
                log.exception("the task %s failed", task.name)
            task.due = time.monotonic() + task.seconds
