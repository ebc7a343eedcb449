"""What operators see of the queue and do with its tasks, by `python -m app tasks`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.errors import Conflict, NotFound
from app.health.collector import TasksCollector
from app.local.development import secret_files
from app.tasks.administration.service import TaskAdministration
from app.tasks.task import Task
from tests.integration.tasks.errands import FAIL, NOTE, SLOW
from tests.integration.tasks.workers import CHECKOUT, Errandboard, TaskWorker

LATER = Task("test.later")


@pytest.fixture
def tasks(board: Errandboard) -> TaskAdministration:
    return TaskAdministration(board.database)


def added(board: Errandboard, task: Task, what: str, **options: object) -> int:
    found = board.add(task, what, **options)
    assert found is not None
    return found


def test_failed_task_is_listed_shown_and_retried(
    board: Errandboard, worker: TaskWorker, tasks: TaskAdministration
) -> None:  # fmt: skip
    number = added(board, FAIL, "letter")
    board.wait(lambda: board.states(FAIL) == [("failed", 3)], "it has failed")
    assert any(f"{number}  failed" in line and "no letter" in line for line in tasks.list("failed", FAIL.name))
    shown = "\n".join(tasks.show(number))
    assert "failed, attempts 3" in shown and '{"what":"letter"}' in shown and "deferred_for_retry" in shown
    before = board.done().count("letter")
    tasks.retry(number)
    board.wait(lambda: board.done().count("letter") == before + 3, "all attempts again")


def test_list_says_that_there_are_no_tasks(tasks: TaskAdministration) -> None:
    assert list(tasks.list("failed", "test.unknown"))[-1] == "there are no such tasks"


def test_waiting_task_is_cancelled_and_brought_back(
    board: Errandboard, worker: TaskWorker, tasks: TaskAdministration
) -> None:  # fmt: skip
    number = added(board, NOTE, "delayed", delay_s=3600)
    assert any(f"{number}  waiting" in line for line in tasks.list("waiting", None))
    tasks.cancel(number)
    assert board.states(NOTE) == [("cancelled", 0)]
    assert "cancelled by an administrator" in "\n".join(tasks.show(number))
    with pytest.raises(Conflict, match="is cancelled"):
        tasks.cancel(number)
    tasks.retry(number)
    board.wait(lambda: "delayed" in board.done(), "done at once")
    for act in (tasks.retry, tasks.cancel, lambda number: list(tasks.show(number))):
        with pytest.raises(NotFound, match=str(number)):
            act(number)


def test_running_task_is_interrupted(board: Errandboard, worker: TaskWorker, tasks: TaskAdministration) -> None:
    number = added(board, NOTE, "endless", seconds=60.0)
    board.wait(lambda: ("doing", 0) in board.states(NOTE), "running")
    with pytest.raises(Conflict, match="is running"):
        tasks.retry(number)
    tasks.cancel(number)
    board.wait(lambda: board.states(NOTE) == [("aborted", 1)], "interrupted")
    assert "endless" not in board.done()


def test_key_of_a_waiting_task_forbids_a_retry(board: Errandboard, tasks: TaskAdministration) -> None:
    first = added(board, LATER, "first", unique_key="k")
    tasks.cancel(first)
    added(board, LATER, "second", unique_key="k")
    with pytest.raises(Conflict, match="the key"):
        tasks.retry(first)


def test_metrics_count_the_queue_by_task(board: Errandboard) -> None:
    added(board, SLOW, "never", delay_s=3600)
    registry = CollectorRegistry()
    registry.register(TasksCollector(board.database))
    text = generate_latest(registry).decode()
    assert f'jobfinder_tasks_waiting{{task="{SLOW.name}"}} 1.0' in text
    assert f'jobfinder_tasks_oldest_seconds{{task="{SLOW.name}"}} 0.0' in text
    assert f'jobfinder_tasks_failed{{task="{SLOW.name}"}} 0.0' in text


def test_command_says_what_it_has_done(
    board: Errandboard, variables: dict[str, str], tmp_path: Path
) -> None:  # fmt: skip
    """In the container of a task worker too, which has no keys."""
    number = added(board, LATER, "ordered", delay_s=3600)
    environment = {"PATH": os.environ["PATH"], "ENVIRONMENT": "development", **secret_files(tmp_path), **variables}
    environment["KEYS_DIR"] = str(tmp_path / "absent")

    def command(*arguments: str, of: str = "tasks") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "app", of, *arguments],
            check=False,
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
        )

    assert command("cancel", str(number)).stdout == f"Task {number} is cancelled.\n"
    failed = command("cancel", str(number))
    assert (failed.returncode, failed.stderr) == (2, f"jobfinder: cannot tasks cancel:\ntask {number} is cancelled\n")
    suppressed = command("suppress", "ada@tasks.example", of="mail")
    assert suppressed.stdout == "ada@tasks.example gets no mail from now on.\n"
    unset = command("test", "ada@tasks.example", of="mail")
    assert "MAIL_URL: it is not set" in unset.stderr
