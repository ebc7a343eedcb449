"""A time budget for each request's optional cache work, so that a slow memcached cannot slow it down much."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

R = TypeVar("R")

OPTIONAL_S = 0.25
_spent_s: ContextVar[float | None] = ContextVar("spent_on_optional_work", default=None)


# Every request calls these two: a `partial` of a C function is faster than a Python function.
begin_request: Callable[[], object] = partial(_spent_s.set, 0.0)
"""Start a new budget for the request of this greenlet or thread. Outside a request there is no bound."""
end_request: Callable[[], object] = partial(_spent_s.set, None)
"""End the request: this greenlet or thread has no bound any more."""


def optionally(work: Callable[[], R], otherwise: R, clock: Callable[[], float] = time.monotonic) -> R:
    """The result of `work`, or `otherwise` without calling it once the request has spent OPTIONAL_S on such work."""
    spent_s = _spent_s.get()
    if spent_s is None:
        return work()
    if spent_s >= OPTIONAL_S:
        return otherwise
    started = clock()
    try:
        return work()
    finally:
        _spent_s.set(spent_s + clock() - started)
