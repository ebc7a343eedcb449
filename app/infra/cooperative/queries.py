"""The timeout of psycopg2's waits, set per request or thread by the code that sends queries."""

import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType

from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, connection

QUERY_TIMEOUT_S = 10.0

_limit_s: ContextVar[float] = ContextVar("query_timeout_s", default=QUERY_TIMEOUT_S)


class query_timeout:  # noqa: N801
    """`with query_timeout(2):` makes each connect and query of this request or thread take at most 2 s.

    On timeout psycopg2 closes the connection and raises TimeoutError.
    """

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token: Token[float] = _limit_s.set(self._seconds)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _limit_s.reset(self._token)


def waiter(
    wait_readable: Callable[[int, float], None], wait_writable: Callable[[int, float], None]
) -> Callable[[connection], None]:
    """The wait callback for psycopg2 (its documentation, "Support for coroutine libraries")."""
    monotonic = time.monotonic

    def wait_for(connection: connection) -> None:
        state = connection.poll()
        if state == POLL_OK:
            return
        deadline = monotonic() + _limit_s.get()
        while state != POLL_OK:
            if state == POLL_READ:
                wait_readable(connection.fileno(), deadline - monotonic())
            elif state == POLL_WRITE:
                wait_writable(connection.fileno(), deadline - monotonic())
            else:
                raise ConnectionError(f"psycopg2's poll returned the unknown state {state}")
            state = connection.poll()

    return wait_for
