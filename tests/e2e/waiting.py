"""Polls a cluster until it reaches an expected state."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 240.0
T = TypeVar("T")


def wait_until(look: Callable[[], T], content: Callable[[T], bool], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Call `look` every 0.5 s until `content(result)` holds; return that result. A timeout fails with the last one."""
    deadline = time.monotonic() + timeout_s
    while not content(found := look()):
        assert time.monotonic() < deadline, f"timed out after {timeout_s:g} s: {what}; last result: {found}"
        time.sleep(0.5)
    return found
