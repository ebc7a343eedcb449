"""A worker whose tasks write down what they do, run as `python errands.py`; and the declarations of these tasks."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from app.config import load_settings
from app.infra.logs import configure_logging
from app.infra.postgres.database import Database
from app.tasks.task import Duty, PermanentFailure, Retries, Task
from app.worker.duties import Parts
from app.worker.process import work
from tests.integration.tasks.campaign.record import Record

QUICK = Retries(most=50, first_s=0.05, longest_s=0.2)
NOTE = Task("test.note", QUICK, timeout_s=30)
FAIL = Task("test.fail", Retries(most=2, first_s=0.05), timeout_s=30)
HOPELESS = Task("test.hopeless", QUICK)
SLOW = Task("test.slow", QUICK, timeout_s=0.5)
RECORDED = Task("test.recorded", QUICK, timeout_s=30)
UNKNOWN = Task("test.of_a_later_version", QUICK)

TABLES = """
CREATE TABLE IF NOT EXISTS errand (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL, worker int NOT NULL,
    began double precision NOT NULL, ended double precision
)
"""
BEGIN = "INSERT INTO errand (what, worker, began) VALUES (%s, %s, %s) RETURNING id"
END = "UPDATE errand SET ended = %s WHERE id = %s"


class Errands:
    """Times are seconds on the machine's monotonic clock, which all its processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, what: str, seconds: float = 0.0) -> None:
        """Write down when it began and ended; in between wait for `seconds`."""
        row = self._database.one("/* */" + BEGIN, what, os.getpid(), time.monotonic())
        assert row is not None
        over = time.monotonic() + seconds
        while time.monotonic() < over:  # in short waits, which an interruption ends
            threading.Event().wait(0.02)
        self._database.run(END, time.monotonic(), row[0])

    def record(self, what: str, seconds: float = 0.0) -> None:
        """Write to the file ERRANDS_RECORD, which needs no database."""
        record = Record(Path(os.environ["ERRANDS_RECORD"]))
        record.add("began", what, os.getpid())
        threading.Event().wait(seconds)
        record.add("ended", what, os.getpid())

    def fail(self, what: str) -> None:
        self.note(what)
        raise RuntimeError(f"no {what}\0\ud800")

    def hopeless(self, what: str) -> None:
        self.note(what)
        raise PermanentFailure("there is no such mailbox")

    def slow(self, what: str) -> None:
        self.note(what, 60.0)

    def duties(self) -> list[Duty]:
        handlers: dict[Task, Any] = {
            NOTE: self.note,
            FAIL: self.fail,
            HOPELESS: self.hopeless,
            SLOW: self.slow,
            RECORDED: self.record,
        }
        return [Duty(task, handler) for task, handler in handlers.items()]


def main() -> int:
    """Run until stopped."""
    if path := os.environ.get("ERRANDS_RECORD"):
        Record(Path(path)).add("started", pid=os.getpid())
    settings = load_settings()
    configure_logging(settings.log_level)
    parts = Parts(settings)
    return work(parts, [*parts.duties(), *Errands(parts.database).duties()])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    sys.exit(main())
