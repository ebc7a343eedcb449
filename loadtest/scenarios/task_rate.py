"""Small tasks that one worker process does: how many a second, how soon when idle, and while a snapshot is held."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg2

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.local.process import LocalError, becomes_true
from app.tasks.queue import enqueue
from loadtest.bed import Bed
from loadtest.report import Row
from loadtest.scenarios import FULL, Effort
from loadtest.statistics import percentile
from loadtest.store import HOLD_SNAPSHOT
from loadtest.task_worker import SMALL

LEAST_PER_SECOND = 300
PICKUP_MOST_MS = 500
BURST = 1500
SNAPSHOT_S = {True: 30.0, False: 3.0}
WAIT_S = 120.0
PICKUP_PART = 20  # the samples of other scenarios are divided by this, because a pickup takes longer


class Queue:
    """The queue, and the times at which the worker began each task."""

    def __init__(self, database: Database, file: Path) -> None:
        self._database, self._file, self._next = database, file, 0

    def add(self, count: int) -> range:
        """Enqueue so many tasks in one transaction; returns their numbers."""
        numbers = range(self._next, self._next + count)
        self._next += count
        with self._database.transaction() as transaction:
            for number in numbers:
                enqueue(transaction, SMALL, {"number": number})
        return numbers

    def began(self, numbers: Sequence[int]) -> list[float]:
        """Wait until all have begun; when they did."""
        found: dict[int, float] = {}

        def complete() -> bool:
            lines = (line.split() for line in self._file.read_text().splitlines()) if self._file.exists() else ()
            found.update((int(line[0]), float(line[1])) for line in lines if len(line) == 2)
            return all(number in found for number in numbers)

        if not becomes_true(complete, WAIT_S):
            raise LocalError("the worker does not do its tasks")
        return [found[number] for number in numbers]


def planned_s(effort: Effort) -> float:
    """Seconds that it takes on two idle cores."""
    return 4 + effort.rounds * BURST / 450 + effort.samples / PICKUP_PART * 0.3 + SNAPSHOT_S[effort is FULL]


def run(bed: Bed, effort: Effort) -> list[Row]:
    """A burst is enqueued at once, single tasks at random times; then bursts while a transaction holds a snapshot."""
    file = bed.folder / "tasks"
    database = Database(bed.settings.database_url, DatabaseTuning(), prepared=False)
    environment = bed.environment | {"TASKS_PORT": "0"}
    with bed.running("task worker", ["-m", "loadtest.task_worker", str(file)], 0, environment) as worker:
        queue = Queue(database, file)
        queue.began(queue.add(1))
        before = worker.processor_seconds()
        rates = [_rate(queue) for _ in range(effort.rounds)]
        cost_ms = (worker.processor_seconds() - before) * 1000 / (effort.rounds * BURST)
        waits = sorted(_pickup_ms(queue) for _ in range(effort.samples // PICKUP_PART))
        with _snapshot(bed.postgres.direct_url):
            held = _while_held(lambda: _rate(queue), SNAPSHOT_S[effort is FULL])
    database.close()
    rate, slowest = median(rates), percentile(waits, 0.99)
    return [
        Row("small tasks, one worker", f"{rate:.0f}/s", f">= {LEAST_PER_SECOND}/s", rate >= LEAST_PER_SECOND),
        Row(
            "task picked up by an idle worker",
            f"p50 {percentile(waits, 0.5):.0f}, p99 {slowest:.0f} ms",
            f"p99 <= {PICKUP_MOST_MS} ms",
            slowest <= PICKUP_MOST_MS,
        ),
        Row("the worker's processor time of a small task", f"{cost_ms:.2f} ms"),
        Row(
            f"small tasks, a snapshot held for {SNAPSHOT_S[effort is FULL]:.0f} s",
            f"{held[0]:.0f}/s, at last {held[-1]:.0f}/s",
        ),
    ]


def _rate(queue: Queue) -> float:
    times = queue.began(queue.add(BURST))
    return (BURST - 1) / (max(times) - min(times))


def _pickup_ms(queue: Queue) -> float:
    time.sleep(random.uniform(0.0, 0.3))
    numbers = queue.add(1)
    committed = time.monotonic()
    return max(queue.began(numbers)[0] - committed, 0.0) * 1000


def _while_held(measure: Callable[[], float], seconds: float) -> list[float]:
    over, rates = time.monotonic() + seconds, [measure()]
    while time.monotonic() < over:
        rates.append(measure())
    return rates


@contextmanager
def _snapshot(direct_url: str) -> Iterator[None]:
    """A transaction that lets no row be removed that it could still see."""
    connection = psycopg2.connect(direct_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(HOLD_SNAPSHOT)
        yield
    finally:
        connection.close()
