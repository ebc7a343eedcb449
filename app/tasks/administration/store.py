"""SQL of administration: counts for the metrics, lists, and changes to single tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.infra.postgres.database import Database, Transaction

STANDING = """
SELECT task_name, count(*) FILTER (WHERE status = 'todo'), count(*) FILTER (WHERE status = 'doing'),
       count(*) FILTER (WHERE status = 'failed'),
       COALESCE(max(extract(epoch FROM now() - scheduled_at))
                    FILTER (WHERE status = 'todo' AND scheduled_at <= now()), 0)::float8
  FROM procrastinate_jobs GROUP BY task_name ORDER BY task_name
"""

_COLUMNS = "SELECT j.id, task_name, status::text, attempts, scheduled_at, reason, queueing_lock, priority, args"

LIST = (
    _COLUMNS
    + """
  FROM procrastinate_jobs j LEFT JOIN task_failure ON job_id = j.id
 WHERE status::text = ANY (%s) AND (%s::text IS NULL OR task_name = %s)
 ORDER BY j.id DESC LIMIT %s
"""
)

FIND = _COLUMNS + " FROM procrastinate_jobs j LEFT JOIN task_failure ON job_id = j.id WHERE j.id = %s"

HISTORY = "SELECT at, type::text FROM procrastinate_events WHERE job_id = %s ORDER BY id"

RETRY = """
UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = now(), abort_requested = false
 WHERE id = %s AND status NOT IN ('doing', 'succeeded')
"""

CANCEL = """
WITH cancelled AS (SELECT procrastinate_cancel_job_v1(%s, true, false) AS id)
INSERT INTO task_failure (job_id, reason) SELECT id, %s FROM cancelled WHERE id IS NOT NULL
    ON CONFLICT (job_id) DO UPDATE SET reason = EXCLUDED.reason, at = EXCLUDED.at
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Tasks of one name; `oldest_s` is for how long the one has been due that is due longest."""

    name: str
    waiting: int
    running: int
    failed: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A task in the queue; `reason` is why its last attempt failed, or why it was cancelled."""

    id: int
    name: str
    status: str
    attempts: int
    due_at: datetime
    reason: str | None
    unique_key: str | None
    priority: int
    args: dict[str, Any]


class AdministrationStore:
    """Every method raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> list[Standing]:
        return [Standing(*row) for row in self._database.all(STANDING)]

    def newest(self, statuses: Sequence[str], name: str | None, most: int) -> list[Kept]:
        """The newest tasks with one of the statuses."""
        return [Kept(*row) for row in self._database.all(LIST, list(statuses), name, name, most)]

    def find(self, task_id: int) -> Kept | None:
        row = self._database.one(FIND, task_id)
        return None if row is None else Kept(*row)

    def history(self, task_id: int) -> list[tuple[datetime, str]]:
        """What happened to the task, and when."""
        return [(row[0], row[1]) for row in self._database.all(HISTORY, task_id)]


def retry(transaction: Transaction, task_id: int) -> bool:
    """Have the task done at once, with all its attempts; False if it is running or does not exist."""
    return transaction.run(RETRY, task_id) == 1


def cancel(transaction: Transaction, task_id: int, reason: str) -> bool:
    """Cancel a task that waits, or have it interrupted while it runs; False if it is neither."""
    return transaction.run(CANCEL, task_id, reason) == 1
