"""A time budget for each request's optional cache work, so that a slow memcached cannot slow it down much."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from app.infra.cooperative import in_request_greenlet

R = TypeVar("R")

OPTIONAL_S = 0.25


class _Spent:
    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


_spent: ContextVar[_Spent | None] = ContextVar("spent_on_optional_work", default=None)
"""Set where a request is served. Setting it costs more than a cached profile's session check.

So a greenlet, whose context variables the server clears before each request, sets it for its first optional work; a
thread keeps it for all its requests. A thread that serves no requests has no bound.
"""


def begin_request() -> None:
    """Start a new budget for the request of this thread; a request in a greenlet has one without this call."""
    if (spent := _spent.get()) is None:
        _spent.set(_Spent())
    else:
        spent.seconds = 0.0


def end_requests() -> None:
    """This thread serves no requests any more: it has no bound."""
    _spent.set(None)


def optionally(work: Callable[[], R], otherwise: R, clock: Callable[[], float] = time.monotonic) -> R:
    """The result of `work`, or `otherwise` without calling it once the request has spent OPTIONAL_S on such work."""
    spent = _spent.get()
    if spent is None:
        if not in_request_greenlet():
            return work()
        _spent.set(spent := _Spent())
    if spent.seconds >= OPTIONAL_S:
        return otherwise
    started = clock()
    try:
        return work()
    finally:
        spent.seconds += clock() - started
