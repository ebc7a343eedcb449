"""Waiting for descriptors and for time, in a request greenlet or in an ordinary thread."""

import importlib
import math
import select
import threading
import time
from typing import Literal, Protocol, cast

import psycopg2.extensions
from greenlet import getcurrent

from app.infra.cooperative import queries

Kind = Literal["meinheld", "threads"]

READ, WRITE = 1, 2


class Parking(Protocol):
    """A place where one caller waits until another one calls `unpark`, which any thread may do."""

    def park(self, timeout_s: float) -> bool:
        """Wait; False after `timeout_s`. Returns True at once if `unpark` was called before."""

    def unpark(self) -> None:
        """Wake the caller of `park`."""


class Loop(Protocol):
    """What the repaired `meinheld.server` offers to code that waits (`app/server/meinheld/csource/waiting.h`)."""

    def Waiter(self) -> Parking:  # noqa: N802
        """A place to wait in a request greenlet."""

    def wait(self, fd: int, events: int, timeout_s: float) -> bool:
        """True when one of `events` is ready, False after `timeout_s`."""


class ThreadParking:
    """`Parking` for an ordinary thread."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def park(self, timeout_s: float) -> bool:
        return self._lock.acquire(timeout=max(timeout_s, 0))

    def unpark(self) -> None:
        self._lock.release()


_loop: Loop | None = None


def install(kind: Kind) -> None:
    """Choose how this process waits, once in each worker after the fork; also gives psycopg2's waits their timeout."""
    global _loop  # noqa: PLW0603
    _loop = cast("Loop", importlib.import_module("meinheld.server")) if kind == "meinheld" else None
    psycopg2.extensions.set_wait_callback(queries.waiter(wait_readable, wait_writable))


def in_request_greenlet() -> bool:
    """Whether the caller runs in a request of the meinheld worker, which has context variables of its own."""
    return _loop is not None and getcurrent().parent is not None


def in_greenlets() -> bool:
    """Whether all requests of this process are served in greenlets."""
    return _loop is not None


def parking() -> Parking:
    """A place for the current greenlet or thread to wait in."""
    if _loop is not None and getcurrent().parent is not None:
        return _loop.Waiter()
    return ThreadParking()


def wait_readable(fd: int, timeout_s: float) -> None:
    """Return when `fd` is readable or closed by its peer. It may return early: read without blocking and wait again.

    Raises TimeoutError. The caller must then close the connection, because the response may still arrive. Only one
    caller at a time may wait for a descriptor.
    """
    _wait(fd, READ, select.POLLIN, timeout_s)


def wait_writable(fd: int, timeout_s: float) -> None:
    """Return when `fd` can be written to; raises as `wait_readable` does."""
    _wait(fd, WRITE, select.POLLOUT, timeout_s)


def _wait(fd: int, events: int, poll_events: int, timeout_s: float) -> None:
    """Raise TimeoutError unless one of the events is ready.

    After the loop has reported a timeout, the descriptor is polled once more: the loop may have been too busy to notice
    an event that arrived in time.
    """
    if _loop is not None and getcurrent().parent is not None:
        if timeout_s > 0 and _loop.wait(fd, events, timeout_s):
            return
        timeout_s = 0
    poll = select.poll()
    poll.register(fd, poll_events)
    if not poll.poll(max(math.ceil(timeout_s * 1000), 0)):
        raise TimeoutError("no answer in time")


def sleep(seconds: float) -> None:
    """Sleep; other requests of the worker run meanwhile."""
    if _loop is not None and getcurrent().parent is not None:
        _loop.Waiter().park(seconds)
    else:
        time.sleep(seconds)
