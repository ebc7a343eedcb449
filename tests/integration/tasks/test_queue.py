"""Enqueueing within the caller's transaction, and what a worker makes of each outcome."""

import itertools
import urllib.request

import pytest

from app.migrations.versions import v0015_tasks as migration
from app.tasks.queue import enqueue
from tests.integration.tasks.errands import FAIL, HOPELESS, NOTE, SLOW, UNKNOWN
from tests.integration.tasks.workers import Errandboard, TaskWorker

REASON = "SELECT reason FROM task_failure JOIN procrastinate_jobs ON id = job_id WHERE task_name = %s"
TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'procrastinate%%notify%%'"

_numbers = itertools.count()


@pytest.fixture
def what() -> str:
    """A name that no other test uses."""
    return f"errand {next(_numbers)}"


class Undone(Exception):
    """Rolls a transaction back."""


def test_committed_task_is_done_and_a_rolled_back_one_never(
    board: Errandboard, worker: TaskWorker, what: str
) -> None:  # fmt: skip
    with pytest.raises(Undone), board.database.transaction() as transaction:
        enqueue(transaction, NOTE, {"what": f"{what} undone"})
        raise Undone
    with board.database.transaction() as transaction:
        enqueue(transaction, NOTE, {"what": what})
        board.add(NOTE, f"{what} meanwhile")
        board.wait(lambda: f"{what} meanwhile" in board.done(), "the one that was committed before")
        assert what not in board.done()
    board.wait(lambda: what in board.done(), "the committed one")
    assert f"{what} undone" not in board.done()
    board.wait(lambda: board.states(NOTE) == [], "tasks that are done are not kept")


def test_waiting_task_with_the_same_key_takes_the_place_of_another(board: Errandboard, what: str) -> None:
    first = board.add(UNKNOWN, what, unique_key=what)
    assert first is not None
    assert board.add(UNKNOWN, what, unique_key=what) is None
    assert board.add(UNKNOWN, what, unique_key=f"{what} of another") is not None
    assert board.add(NOTE, what, unique_key=what) is not None


def test_failing_task_is_tried_again_and_then_kept_with_its_reason(
    board: Errandboard, worker: TaskWorker, what: str
) -> None:  # fmt: skip
    board.add(FAIL, what)
    board.wait(lambda: board.states(FAIL) == [("failed", 3)], "no attempt is left")
    assert board.done().count(what) == 3
    [(reason,)] = board.database.all(REASON, FAIL.name)
    assert reason.startswith(f"RuntimeError: no {what}")


def test_permanent_failure_is_not_tried_again(board: Errandboard, worker: TaskWorker, what: str) -> None:
    board.add(HOPELESS, what)
    board.wait(lambda: board.states(HOPELESS) == [("failed", 1)], "kept")
    assert board.database.all(REASON, HOPELESS.name) == [("PermanentFailure: there is no such mailbox",)]


def test_task_that_takes_too_long_is_interrupted_and_tried_again(
    board: Errandboard, worker: TaskWorker, what: str
) -> None:  # fmt: skip
    board.add(SLOW, what)
    began = "SELECT count(*) FROM errand WHERE what = %s AND ended IS NULL"
    board.wait(lambda: board.database.all(began, what)[0][0] >= 2, "a second attempt")
    assert "TimedOut" in board.database.all(REASON, SLOW.name)[0][0]
    board.database.run("DELETE FROM procrastinate_jobs WHERE task_name = %s", SLOW.name)


def test_task_of_a_later_version_waits_for_a_worker_that_knows_it(
    board: Errandboard, worker: TaskWorker, what: str
) -> None:  # fmt: skip
    board.add(UNKNOWN, what, priority=100)
    board.add(NOTE, what)
    board.wait(lambda: what in board.done(), "a known one")
    assert ("todo", 0) in board.states(UNKNOWN)


def test_worker_shows_what_it_has_done(board: Errandboard, worker: TaskWorker, what: str) -> None:
    board.add(NOTE, what)
    board.wait(lambda: what in board.done(), "done")
    text = urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics").read().decode()
    assert 'jobfinder_task_attempts_total{outcome="succeeded",task="test.note"}' in text
    assert urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/health/ready").status == 200


def test_worker_matches_saved_searches_beside_its_tasks(board: Errandboard, worker: TaskWorker) -> None:
    board.database.run("INSERT INTO alert_query (query) VALUES ('country=DE')")
    board.wait(lambda: board.database.one("SELECT FROM alert_branch") is not None, "the query is ready to be matched")


def test_no_notify_and_the_schema_of_the_installed_library(board: Errandboard) -> None:
    from procrastinate.schema import SchemaManager

    assert board.database.all(TRIGGERS) == []
    assert SchemaManager.get_schema() == migration.LIBRARY.read_text()
