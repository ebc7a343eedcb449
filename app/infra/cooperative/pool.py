"""A bounded pool of connections for any number of threads and request greenlets."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.infra.cooperative import Event


class Pooled(Protocol):
    """What a pool asks of a connection."""

    idle_since: float

    def usable(self) -> bool:
        """Whether an idle connection has not been closed by its peer; must not wait."""

    def close(self) -> None:
        """Must not wait and must not raise."""


C = TypeVar("C", bound=Pooled)


class PoolTimeout(Exception):
    """No connection became free within the caller's timeout."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """`waiting` callers are queued now; `waited_ms_total` and `timeouts` count since the start."""

    in_use: int
    idle: int
    waiting: int
    waited_ms_total: float
    timeouts: int


class _Waiter(Generic[C]):
    """A queued caller; once granted it has a connection, or the right to open one."""

    __slots__ = ("connection", "event", "granted")

    def __init__(self) -> None:
        self.event = Event()
        self.connection: C | None = None
        self.granted = False


class Pool(Generic[C]):
    """At most `maximum` connections, counting those in use, idle and being opened; last in, first out; callers queue.

    The lock guards bookkeeping alone and is never held across a wait.
    """

    def __init__(self, connect: Callable[[], C], maximum: int) -> None:
        self._connect, self._maximum = connect, maximum
        self._lock = threading.Lock()
        self._idle: list[C] = []
        self._size = 0
        self._waiters: deque[_Waiter[C]] = deque()
        self._waited_s = 0.0
        self._timeouts = 0
        self._closed = False

    def acquire(self, timeout_s: float) -> C:
        """A connection, owned by the caller until `release` or `discard`; raises `PoolTimeout` or the connect error."""
        waiter: _Waiter[C] | None = None
        connection: C | None = None
        with self._lock:
            if self._idle:
                connection = self._idle.pop()
            elif self._size < self._maximum:
                self._size += 1
            else:
                waiter = _Waiter()
                self._waiters.append(waiter)
        if waiter is not None:
            connection = self._wait(waiter, timeout_s)
        if connection is not None:
            if connection.usable():
                return connection
            connection.close()
        return self._open()

    def release(self, connection: C) -> None:
        """Give back a connection that is ready for its next use."""
        with self._lock:
            surplus = self._size > self._maximum or self._closed
            waiter = None if surplus else self._next_waiter(connection)
            if waiter is None and not surplus:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
        if surplus:
            self.discard(connection)
        elif waiter is not None:
            waiter.event.set()

    def discard(self, connection: C) -> None:
        """Give back a connection that must not be used again."""
        connection.close()
        self._forget()

    def resize(self, maximum: int) -> None:
        """Change the bound; connections above it are closed when they are given back."""
        with self._lock:
            self._maximum = maximum
            surplus = [self._idle.pop(0) for _ in range(min(len(self._idle), self._size - maximum))]
            self._size -= len(surplus)
            woken = self._grant_free_places()
        for connection in surplus:
            connection.close()
        for waiter in woken:
            waiter.event.set()

    def prune(self, idle_timeout_s: float, keep: int) -> None:
        """Close connections idle for longer than `idle_timeout_s`, oldest first, but keep at least `keep` open."""
        oldest = time.monotonic() - idle_timeout_s
        stale: list[C] = []
        with self._lock:
            while self._size > keep and self._idle and self._idle[0].idle_since < oldest:
                stale.append(self._idle.pop(0))
                self._size -= 1
        for connection in stale:
            connection.close()

    def clear(self) -> None:
        """Close every idle connection."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._size -= len(idle)
            woken = self._grant_free_places()
        for connection in idle:
            connection.close()
        for waiter in woken:
            waiter.event.set()

    def close(self) -> None:
        """Close idle connections now, and the others when they are released."""
        self._closed = True
        self.clear()

    def stats(self) -> PoolStats:
        """The current state of the pool."""
        with self._lock:
            idle = len(self._idle)
            return PoolStats(
                self._size - idle, idle, len(self._waiters), self._waited_s * 1000, self._timeouts
            )  # fmt: skip

    def _open(self) -> C:
        try:
            return self._connect()
        except BaseException:
            self._forget()
            raise

    def _wait(self, waiter: _Waiter[C], timeout_s: float) -> C | None:
        """Wait for a grant. A grant that arrives while the caller is being killed is passed to the next waiter."""
        started = time.monotonic()
        try:
            waiter.event.wait(timeout_s)
        except BaseException:
            if not self._withdraw(waiter):
                self._pass_on(waiter)
            raise
        with self._lock:
            self._waited_s += time.monotonic() - started
        if self._withdraw(waiter):
            raise PoolTimeout
        return waiter.connection

    def _withdraw(self, waiter: _Waiter[C]) -> bool:
        """Leave the queue; False when a grant has already been made."""
        with self._lock:
            if waiter.granted:
                return False
            self._waiters.remove(waiter)
            self._timeouts += 1
            return True

    def _pass_on(self, waiter: _Waiter[C]) -> None:
        if waiter.connection is not None:
            self.release(waiter.connection)
        else:
            self._forget()

    def _forget(self) -> None:
        """Count one connection less, so that the first waiter may open a new one."""
        with self._lock:
            self._size -= 1
            woken = self._grant_free_places()
        for waiter in woken:
            waiter.event.set()

    def _grant_free_places(self) -> list[_Waiter[C]]:
        woken = []
        while self._size < self._maximum and (waiter := self._next_waiter(None)) is not None:
            self._size += 1
            woken.append(waiter)
        return woken

    def _next_waiter(self, connection: C | None) -> _Waiter[C] | None:
        if not self._waiters:
            return None
        waiter = self._waiters.popleft()
        waiter.connection, waiter.granted = connection, True
        return waiter
