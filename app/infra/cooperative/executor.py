"""Threads for work that would hold up the other requests of the worker, such as hashing a password."""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar, cast

from app.infra.cooperative.event import Event

P = ParamSpec("P")
R = TypeVar("R")


class QueueFull(Exception):
    """The queue is full; the caller should try again later."""


class _Job:
    __slots__ = ("abandoned", "args", "done", "error", "fn", "result")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fn, self.args, self.done = fn, args, Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.abandoned = False

    def execute(self) -> None:
        if not self.abandoned:
            try:
                self.result = self.fn(*self.args)
            except BaseException as error:  # noqa: BLE001
                self.error = error
        self.done.set()


class Executor:
    """At most `threads` calls run and at most `queue` more wait; the threads run at niceness `nice` (0 to 19).

    Threads start on first use, so an executor may be created before the worker forks.
    """

    def __init__(self, threads: int, queue: int, nice: int = 10) -> None:
        self._threads, self._queue, self._nice = threads, queue, nice
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._admitted = 0
        self._started = 0
        self._closed = False

    def run(self, fn: Callable[..., R], *args: Any, timeout_s: float) -> R:
        """The result of `fn(*args)`, or what it raised.

        Raises `QueueFull`, or TimeoutError after `timeout_s`: a queued call is then dropped, and the result of a
        running one is discarded.
        """
        job = _Job(fn, args)
        self._admit()
        self._jobs.put(job)
        if not job.done.wait(timeout_s):
            job.abandoned = True
            raise TimeoutError("no thread finished the call in time")
        if job.error is not None:
            raise job.error
        return cast("R", job.result)

    @property
    def waiting(self) -> int:
        """Calls that no thread has started."""
        return self._jobs.qsize()

    def resize(self, threads: int, queue: int) -> None:
        """Change the bounds while calls run."""
        with self._lock:
            self._threads, self._queue = threads, queue
            surplus, self._started = max(self._started - threads, 0), min(self._started, threads)
            missing = self._missing()
        self._dismiss(surplus)
        self._start(missing)

    def close(self) -> None:
        """End the threads after the queued calls; later calls raise `QueueFull`."""
        with self._lock:
            self._closed = True
            surplus, self._started = self._started, 0
        self._dismiss(surplus)

    def _admit(self) -> None:
        with self._lock:
            if self._closed or self._admitted >= self._threads + self._queue:
                raise QueueFull
            self._admitted += 1
            missing = self._missing()
        self._start(missing)

    def _missing(self) -> int:
        """How many threads to start, counted as started; called with the lock held."""
        missing = max(min(self._threads, self._admitted) - self._started, 0)
        self._started += missing
        return missing

    def _start(self, number: int) -> None:
        for _ in range(number):
            threading.Thread(target=self._work, name="executor", daemon=True).start()

    def _dismiss(self, number: int) -> None:
        for _ in range(number):
            self._jobs.put(None)

    def _work(self) -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + self._nice)
        while (job := self._jobs.get()) is not None:
            job.execute()
            with self._lock:
                self._admitted -= 1
