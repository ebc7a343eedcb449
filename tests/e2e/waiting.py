"""Waiting for what a cluster comes to by itself."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 240.0
T = TypeVar("T")


def wait_until(look: Callable[[], T], content: Callable[[T], bool], what: str, timeout_s: float = PATIENCE_S) -> T:
    """What `look` finds once `content` is; fails with what it found last."""
    deadline = time.monotonic() + timeout_s
    while not content(found := look()):
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain: {what}; last seen: {found}"
        time.sleep(0.5)
    return found
