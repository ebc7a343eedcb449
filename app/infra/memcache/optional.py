"""The time that a request may spend on what it can do without, so that a slow memcached costs it a bounded time."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

R = TypeVar("R")

OPTIONAL_S = 0.25
_spent_s: ContextVar[float | None] = ContextVar("spent_on_optional_work", default=None)


# Every request calls these two, so they are the C function itself, without a Python frame around it.
begin_request: Callable[[], object] = partial(_spent_s.set, 0.0)
"""The request of this greenlet or thread has spent nothing; where none has begun there is no bound."""
end_request: Callable[[], object] = partial(_spent_s.set, None)
"""What this greenlet or thread does from now on has no bound."""


def optionally(work: Callable[[], R], otherwise: R, clock: Callable[[], float] = time.monotonic) -> R:
    """What `work` returns, or `otherwise` where the request has spent OPTIONAL_S: it begins nothing more then."""
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
