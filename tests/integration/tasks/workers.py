"""Task workers as processes, for tests of the queue."""

import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from app.infra.postgres.database import Database
from app.local.development import secret_files
from app.local.postgres import free_port
from app.local.process import Command, Process, becomes_true
from app.tasks.queue import enqueue
from app.tasks.task import Task

CHECKOUT = Path(__file__).resolve().parents[3]
ERRANDS = (sys.executable, "-m", "tests.integration.tasks.errands")
SILENT_S = 2


class TaskWorker(AbstractContextManager["TaskWorker"]):
    """One worker process; `variables` are settings of `app/config.py`."""

    def __init__(self, folder: Path, variables: Mapping[str, str], program: Sequence[str] = ERRANDS) -> None:
        self._program = program
        self.port = free_port()
        self.log = folder / f"worker-{self.port}.log"
        self._environment = {
            "ENVIRONMENT": "development",
            "GRACEFUL_TIMEOUT": "8",
            "TASKS_SILENT_SECONDS": str(SILENT_S),
            "TASKS_PORT": str(self.port),
            **secret_files(folder),
            **variables,
        }
        self.process: Process | None = None

    def start(self) -> Process:
        """Start the process, without waiting for anything."""
        command = Command(self._program, self.log, environment=self._environment, folder=CHECKOUT)
        self.process = Process("the worker", command)
        return self.process

    def ready(self) -> bool:
        """Whether it takes tasks."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.end(grace_s=12)


class Errandboard:
    """Enqueues errands and reads what became of them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, task: Task, what: str, **options: Any) -> int | None:
        """Enqueue in a transaction of its own; what is not an option of `enqueue` is an argument of the task."""
        own = {name: options.pop(name) for name in ("unique_key", "delay_s", "priority") if name in options}
        with self.database.transaction() as transaction:
            return enqueue(transaction, task, {"what": what, **options}, **own)

    def done(self) -> list[str]:
        """What was done, in the order in which it began."""
        return [row[0] for row in self.database.all("SELECT what FROM errand WHERE ended IS NOT NULL ORDER BY id")]

    def states(self, task: Task) -> list[tuple[str, int]]:
        """(status, attempts) of the tasks that are in the queue."""
        sql = "SELECT status::text, attempts FROM procrastinate_jobs WHERE task_name = %s ORDER BY id"
        return [(row[0], row[1]) for row in self.database.all(sql, task.name)]

    def wait(self, condition: Any, what: str, timeout_s: float = 30.0) -> None:
        """Wait until `condition()` holds."""
        assert becomes_true(condition, timeout_s), f"timed out: {what}; done: {self.done()}"
