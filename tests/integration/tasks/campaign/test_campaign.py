"""Workers are killed and paused, PostgreSQL and PgBouncer restarted, while tasks are enqueued: all promises hold."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.config import DatabaseTuning
from app.errors import Unavailable
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.infra.postgres.statements import Preparation
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from app.local.process import Process
from app.tasks.queue import enqueue
from tests.integration.tasks.campaign.record import Record, violations
from tests.integration.tasks.errands import RECORDED
from tests.integration.tasks.workers import Errandboard, TaskWorker

ERRANDS = int(os.environ.get("TASK_ERRANDS", "150"))
SILENT_S = 4
SEED = int(os.environ.get("TASK_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
WRITERS, WORKERS = 3, 2


class Undone(Exception):
    """Rolls a transaction back."""


class Ground:
    """A PostgreSQL, a PgBouncer and workers that may be harmed."""

    def __init__(self, folder: Path, started: ExitStack) -> None:
        self.path = folder / "record"
        self.record = Record(self.path)
        self.postgres = started.enter_context(Postgres(folder / "postgres", durable=False))
        migrate(self.postgres.direct_url, Preparation([]))
        self.pgbouncer = started.enter_context(PgBouncer(self.postgres, pool_size=12))
        self.database = Database(self.pgbouncer.url, DatabaseTuning(acquire_timeout_ms=1000), prepared=False)
        started.callback(self.database.close)
        variables = {
            "DATABASE_URL": self.pgbouncer.url,
            "PGBOUNCER_CONSOLE_URL": self.pgbouncer.console_url,
            "TASKS_SILENT_SECONDS": str(SILENT_S),
            "ERRANDS_RECORD": str(self.path),
        }
        self.workers = [started.enter_context(TaskWorker(folder, variables)) for _ in range(WORKERS)]

    def process(self, number: int) -> Process:
        process = self.workers[number].process
        assert process is not None
        return process

    def kill(self, number: int) -> None:
        """SIGKILL, and a new process."""
        process = self.process(number)
        process.end(signal.SIGKILL)
        self.record.add("killed", pid=process.pid)
        self.workers[number].start()

    def pause(self, number: int, seconds: float) -> None:
        """Let the process stand still for so long."""
        process = self.process(number)
        process.send(signal.SIGSTOP)
        self.record.add("paused", pid=process.pid)
        threading.Event().wait(seconds)
        self.record.add("resumed", pid=process.pid)
        process.send(signal.SIGCONT)

    def drained(self) -> bool:
        """Whether no task is left."""
        try:
            return self.database.one("SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s", RECORDED.name) == (
                0,
            )
        except Unavailable:
            return False


def write(ground: Ground, seed: int, number: int) -> None:
    """Enqueue ERRANDS / WRITERS tasks, one in a transaction; some transactions are rolled back."""
    dice = random.Random(f"{seed} {number}")
    for count in range(ERRANDS // WRITERS):
        what, undone = f"{number}-{count}", dice.random() < 0.2
        try:
            with ground.database.transaction() as transaction:
                enqueue(transaction, RECORDED, {"what": what, "seconds": dice.choice((0.0, 0.02, 0.3))})
                threading.Event().wait(dice.uniform(0, 0.08))
                if undone:
                    raise Undone
                ground.record.add("sent", what)
            ground.record.add("committed", what)
        except Undone:
            ground.record.add("rolled-back", what)
        except Unavailable:
            continue  # nobody knows whether it was committed


def harm(ground: Ground, dice: random.Random) -> None:
    """One fault, drawn by `dice`."""
    which = dice.randrange(WORKERS)
    faults = {
        "kill": lambda: ground.kill(which),
        "short pause": lambda: ground.pause(which, 1.0),
        "long pause": lambda: ground.pause(which, SILENT_S + 1.0),
        "pgbouncer": ground.pgbouncer.restart,
        "postgres": ground.postgres.restart,
    }
    faults[dice.choices(tuple(faults), (4, 2, 1, 2, 2))[0]]()


@pytest.fixture(scope="module")
def ground(open_folder: Path) -> Iterator[Ground]:
    folder = open_folder / "campaign"
    folder.mkdir(mode=0o711)
    with ExitStack() as started:
        yield Ground(folder, started)


def test_promises_hold_while_everything_is_killed(ground: Ground) -> None:
    dice = random.Random(SEED)
    writers = [threading.Thread(target=write, args=(ground, SEED, number)) for number in range(WRITERS)]
    for each in writers:
        each.start()
    ground.kill(0)
    while any(each.is_alive() for each in writers):
        threading.Event().wait(dice.uniform(0.2, 1.0))
        harm(ground, dice)
    for each in writers:
        each.join()
    Errandboard(ground.database).wait(ground.drained, f"the queue is empty (seed {SEED})", 60)
    assert violations(Record.read(ground.path), SILENT_S) == [], f"TASK_SEED={SEED}"
    assert {each.kind for each in Record.read(ground.path)} >= {"committed", "rolled-back", "began", "killed"}


def test_sigterm_lets_running_tasks_end(ground: Ground) -> None:
    board = Errandboard(ground.database)
    board.wait(lambda: all(worker.ready() for worker in ground.workers), "all workers are ready")
    for number in range(4):
        board.add(RECORDED, f"long {number}", seconds=1.5)

    def begun() -> int:
        return sum(each.kind == "began" and each.what.startswith("long") for each in Record.read(ground.path))

    board.wait(lambda: begun() == 4, "all run")
    for worker in ground.workers:
        assert worker.process is not None
        worker.process.send(signal.SIGTERM)
    board.add(RECORDED, "after the signal")
    for worker in ground.workers:
        assert worker.process is not None
        assert worker.process.wait(20)
        assert worker.process.end() == 0
    kinds = [each.kind for each in Record.read(ground.path) if each.what.startswith("long")]
    assert sorted(kinds) == ["began"] * 4 + ["ended"] * 4
    assert board.states(RECORDED) == [("todo", 0)]
