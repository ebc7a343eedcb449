"""SQL of the queue: procrastinate's tables and functions, and those of our migration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.infra.postgres.database import Database, Transaction

ENQUEUE = "SELECT enqueue_task(%s, %s::jsonb, %s, %s, %s)"

# A statement that takes or changes something does not begin with SELECT: `Database` would repeat it after a lost reply.
REGISTER = "INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"

BEAT = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %s"

UNREGISTER = "DELETE FROM procrastinate_workers WHERE id = %s"

FETCH = """
WITH taken AS (SELECT * FROM procrastinate_fetch_job_v2(%s::varchar[], %s))
SELECT id, task_name, priority, queueing_lock, args, scheduled_at, attempts FROM taken WHERE id IS NOT NULL
"""

# A worker that was cut off longer than the heartbeat finds that its task is no longer its own.
_MINE = """
WITH mine AS (
    SELECT id FROM procrastinate_jobs WHERE id = %s AND worker_id = %s AND status = 'doing' FOR UPDATE
)
"""

_REASON = """, reason AS (
    INSERT INTO task_failure (job_id, reason) SELECT id, %s FROM mine
        ON CONFLICT (job_id) DO UPDATE SET reason = EXCLUDED.reason, at = EXCLUDED.at
)
"""

SUCCEED = _MINE + "SELECT procrastinate_finish_job_v1(id, 'succeeded', true) FROM mine"

FAIL = _MINE + _REASON + "SELECT procrastinate_finish_job_v1(id, %s::procrastinate_job_status, false) FROM mine"

LOCK_MINE = _MINE + "SELECT id FROM mine"

GIVE_BACK = """
WITH mine AS (
    SELECT id FROM procrastinate_jobs WHERE worker_id = %s AND status = 'doing' AND id <> ALL (%s) FOR UPDATE
)
SELECT retry_task(id, 0) FROM mine
"""

LIST_CANCELLED = "SELECT id FROM procrastinate_jobs WHERE worker_id = %s AND status = 'doing' AND abort_requested"

PRUNE_WORKERS = """
WITH gone AS (
    SELECT id FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => %s)
       FOR UPDATE SKIP LOCKED
)
DELETE FROM procrastinate_workers w USING gone WHERE w.id = gone.id
"""

LOCK_ABANDONED = """
SELECT id, task_name, attempts FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IS NULL
 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""

NOTE_REASON = """
INSERT INTO task_failure (job_id, reason) VALUES (%s, %s)
    ON CONFLICT (job_id) DO UPDATE SET reason = EXCLUDED.reason, at = EXCLUDED.at
"""

RETRY = "SELECT retry_task(%s, %s)"

FAIL_ABANDONED = "SELECT procrastinate_finish_job_v1(%s, 'failed', false)"

ENQUEUE_PERIODIC = """
WITH first AS (
    INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp) VALUES (%s, %s) ON CONFLICT DO NOTHING
    RETURNING task_name AS name
), old AS (
    DELETE FROM procrastinate_periodic_defers WHERE task_name = %s AND defer_timestamp < %s
)
SELECT enqueue_task(name, '{}', name, 0, %s) FROM first
"""

FORGET_FAILED = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT job_id FROM task_failure JOIN procrastinate_jobs ON id = job_id
     WHERE at < now() - make_interval(days => %s) AND status NOT IN ('todo', 'doing') LIMIT 1000)
"""

ABANDONED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that a worker has taken; `failed` attempts were made before."""

    id: int
    name: str
    priority: int
    unique_key: str | None
    args: dict[str, Any]
    due_at: datetime
    failed: int


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A task that is locked by this transaction, and whose worker is gone."""

    id: int
    name: str
    failed: int


def enqueue(
    transaction: Transaction, name: str, args: str, unique_key: str | None, delay_s: float, priority: int
) -> int | None:
    """The id, None where a task with the key waits already."""
    row = transaction.one(ENQUEUE, name, args, unique_key, delay_s, priority)
    return None if row is None or row[0] is None else int(row[0])


class QueueStore:
    """What a worker asks of the queue; every method raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self) -> int:
        """The number of a new worker, whose first heartbeat is now."""
        row = self._database.one(REGISTER)
        assert row is not None  # noqa: S101 - RETURNING
        return int(row[0])

    def beat(self, worker: int) -> bool:
        """Tell that the worker lives; False when others have taken its tasks already."""
        return self._database.run(BEAT, worker) == 1

    def unregister(self, worker: int) -> None:
        self._database.run(UNREGISTER, worker)

    def fetch(self, names: Sequence[str], worker: int) -> Taken | None:
        """Take the next due task among those named."""
        row = self._database.one(FETCH, list(names), worker)
        return None if row is None else Taken(*row)

    def give_back(self, worker: int, running: Sequence[int]) -> int:
        """Put back what the worker has taken without knowing it, because the reply was lost; returns how many."""
        return self._database.run(GIVE_BACK, worker, list(running))

    def succeed(self, task: int, worker: int) -> bool:
        """Remove a task that is done. As for `fail` and `retry`: False when it is no longer this worker's."""
        return self._database.run(SUCCEED, task, worker) == 1

    def fail(self, task: int, worker: int, reason: str, status: str) -> bool:
        """Keep the task as `failed` or `aborted`, with the reason."""
        return self._database.run(FAIL, task, worker, reason, status) == 1

    def retry(self, task: int, worker: int, reason: str, delay_s: float) -> bool:
        """Put the task back; where a later one with its key waits, that one takes its place."""
        with self._database.transaction() as transaction:
            if transaction.one(LOCK_MINE, task, worker) is None:
                return False
            transaction.run(NOTE_REASON, task, reason)
            transaction.run(RETRY, task, delay_s)
        return True

    def cancelled(self, worker: int) -> list[int]:
        """The worker's tasks that somebody has cancelled while they run."""
        return [row[0] for row in self._database.all(LIST_CANCELLED, worker)]

    def prune_workers(self, silent_s: float) -> int:
        """Forget workers without a heartbeat for so long; their tasks are then abandoned. Returns how many."""
        return self._database.run(PRUNE_WORKERS, silent_s)

    def enqueue_periodic(self, name: str, due: int, priority: int) -> int | None:
        """Enqueue the run that was due at `due` (Unix time) unless that is done already, or the one before waits."""
        row = self._database.one(ENQUEUE_PERIODIC, name, due, name, due, priority)
        return None if row is None else row[0]

    def forget_failed(self, days: int) -> int:
        """Remove up to 1,000 tasks that failed or were cancelled longer ago; returns how many."""
        return self._database.run(FORGET_FAILED, days)


def lock_abandoned(transaction: Transaction) -> list[Abandoned]:
    """Some tasks whose worker is gone."""
    return [Abandoned(*row) for row in transaction.all(LOCK_ABANDONED, ABANDONED_AT_ONCE)]


def settle_abandoned(transaction: Transaction, task: Abandoned, reason: str, delay_s: float | None) -> None:
    """Retry the task, or keep it as failed when `delay_s` is None."""
    transaction.run(NOTE_REASON, task.id, reason)
    if delay_s is None:
        transaction.run(FAIL_ABANDONED, task.id)
    else:
        transaction.run(RETRY, task.id, delay_s)
