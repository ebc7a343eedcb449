"""Which task a worker gets, and that it is its own until it is silent: then what it says about it is ignored."""

import pytest

from app.tasks.queue import enqueue
from app.tasks.store import QueueStore
from app.tasks.task import Task
from app.worker.upkeep import ABANDONED_MOST, REASON, Upkeep
from tests.integration.tasks.workers import Errandboard

FENCED = Task("test.fenced")


@pytest.fixture
def store(board: Errandboard) -> QueueStore:
    board.database.run("DELETE FROM procrastinate_jobs")
    return QueueStore(board.database)


@pytest.fixture
def upkeep(board: Errandboard, store: QueueStore) -> Upkeep:
    """Every worker is silent for too long at once."""
    return Upkeep(board.database, store, silent_s=0)


def taken(store: QueueStore) -> tuple[int, int]:
    """(task, its new worker)."""
    worker = store.register()
    found = store.fetch([FENCED.name], worker)
    assert found is not None
    return found.id, worker


def test_delays_and_priorities_decide_the_order(board: Errandboard, store: QueueStore) -> None:
    worker, order = store.register(), []
    board.add(FENCED, "delayed", priority=99, delay_s=3600.0)
    for name, priority in (("low", -1), ("first", 0), ("second", 0), ("high", 9)):
        board.add(FENCED, name, priority=priority)
    while found := store.fetch([FENCED.name], worker):
        order.append(found.args["what"])
    assert order == ["high", "first", "second", "low"]


def test_waiting_task_does_not_start_before_who_relied_on_it_commits(board: Errandboard, store: QueueStore) -> None:
    worker, first = store.register(), board.add(FENCED, "first", unique_key="k")
    with board.database.transaction() as transaction:
        assert enqueue(transaction, FENCED, {}, unique_key="k") is None
        assert store.fetch([FENCED.name], worker) is None
    found = store.fetch([FENCED.name], worker)
    assert found is not None and found.id == first


def test_worker_that_was_cut_off_cannot_settle_its_task(
    board: Errandboard, store: QueueStore, upkeep: Upkeep
) -> None:  # fmt: skip
    board.add(FENCED, "letter")
    task, first = taken(store)
    assert upkeep.take_over() == 1
    assert not store.beat(first)
    again, second = taken(store)
    assert again == task
    assert not store.succeed(task, first)
    assert not store.retry(task, first, "late", 0)
    assert not store.fail(task, first, "late", "failed")
    assert board.states(FENCED) == [("doing", 1)]
    assert store.succeed(task, second)
    assert board.states(FENCED) == []


def test_task_whose_fetch_was_answered_to_nobody_is_put_back(board: Errandboard, store: QueueStore) -> None:
    board.add(FENCED, "known")
    board.add(FENCED, "lost")
    known, worker = taken(store)
    assert store.fetch([FENCED.name], worker) is not None
    assert store.give_back(worker, [known]) == 1
    assert [state for state, _ in board.states(FENCED)] == ["doing", "todo"]


def test_task_that_ends_its_workers_is_kept_as_failed(board: Errandboard, store: QueueStore, upkeep: Upkeep) -> None:
    board.add(FENCED, "poison")
    most = max(ABANDONED_MOST, FENCED.retries.most)
    for _ in range(most + 1):
        assert board.states(FENCED)[0][0] == "todo"
        taken(store)
        assert upkeep.take_over() == 1
    assert board.states(FENCED) == [("failed", most + 1)]
    assert board.database.all("SELECT reason FROM task_failure") == [(REASON,)]


def test_retry_gives_way_to_a_later_task_with_its_key(board: Errandboard, store: QueueStore) -> None:
    board.add(FENCED, "first", unique_key="k")
    task, worker = taken(store)
    later = board.add(FENCED, "second", unique_key="k")
    assert store.retry(task, worker, "again", 0)
    assert [row[0] for row in board.database.all("SELECT id FROM procrastinate_jobs")] == [later]
