"""What a domain declares about a task: its name, how often it is tried, and how long it may take."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Handler = Callable[..., object]
"""Does a task; it gets the arguments by name. What it raises is a failed attempt."""


class PermanentFailure(Exception):
    """Raised by a handler when no further attempt can succeed; the message is the reason that is kept."""


@dataclass(frozen=True, slots=True)
class Retries:
    """After a failed attempt the task waits `first_s`, then twice as long each time, at most `longest_s`.

    `most` is the number of attempts after the first one. All 12 of the default take about 4 hours.
    """

    most: int = 12
    first_s: float = 5.0
    longest_s: float = 3600.0

    def wait_s(self, failed: int, spread: Callable[[float, float], float] = random.uniform) -> float | None:
        """The wait after the failed attempt number `failed` (1 is the first); None when there is no further one.

        Waits are spread by a tenth, so that tasks that failed together are not tried again together.
        """
        if failed > self.most:
            return None
        return min(self.first_s * 2.0 ** min(failed - 1, 60), self.longest_s) * spread(0.9, 1.1)


@dataclass(frozen=True, slots=True)
class Task:
    """`name` is stored with each task, so it never changes; of waiting tasks, one of higher `priority` starts first.

    A handler that takes longer than `timeout_s` is interrupted, which counts as a failed attempt.
    """

    name: str
    retries: Retries = Retries()
    timeout_s: float = 60.0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Duty:
    """A task with its handler. With `cron` (minute hour day month weekday, in UTC) it is also enqueued periodically.

    A periodic run gets no arguments, and is left out while the one before still waits.
    """

    task: Task
    handler: Handler
    cron: str | None = None


Arguments = dict[str, Any]
"""Arguments of a task: what JSON can hold."""
