"""The clocks that the protocol uses; it compares durations, never times of different machines."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from app.infra import cooperative

MS_IN_NS = 1_000_000
S_IN_NS = 1_000_000_000


class Signal(Protocol):
    """The methods of `cooperative.Event` that are used here."""

    def set(self) -> None: ...
    def is_set(self) -> bool: ...
    def wait(self, timeout_s: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """`now_ns` also counts the time that a machine was suspended; `wall_s` is in seconds since 1970.

    Positions and leases rest on `now_ns` alone; `wall_s` only ages facts.
    """

    now_ns: Callable[[], int]
    wall_s: Callable[[], float]
    sleep: Callable[[float], None]
    signal: Callable[[], Signal]


SYSTEM_CLOCK = Clock(
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME), time.time, cooperative.sleep, cooperative.Event
)
