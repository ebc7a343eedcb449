"""What `python -m app tasks` does; the results are lines of text."""

from collections.abc import Iterator

import msgspec

from app.errors import Conflict, NotFound
from app.infra.postgres.database import Database
from app.tasks.administration.store import AdministrationStore, Kept, cancel, retry

STATES = {
    "waiting": ("todo",),
    "running": ("doing",),
    "failed": ("failed",),
    "cancelled": ("cancelled", "aborted"),
}
_NAMES = {status: state for state, statuses in STATES.items() for status in statuses}
MOST = 100


class TaskAdministration:
    """Methods raise NotFound, Conflict or Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database, self._store = database, AdministrationStore(database)

    def list(self, state: str | None, name: str | None) -> Iterator[str]:
        """The newest MOST tasks, of one state and name if they are given, after the numbers of each name."""
        for each in self._store.standing():
            yield (
                f"{each.name}: {each.waiting} waiting, {each.running} running, {each.failed} failed;"
                f" due for {each.oldest_s:.0f} s at most"
            )
        found = self._store.newest(STATES[state] if state else tuple(_NAMES), name, MOST)
        for kept in found:
            yield f"{kept.id:>8}  {_NAMES[kept.status]:<9}  {kept.name}  {_detail(kept)}".rstrip()
        if not found:
            yield "there are no such tasks" if state or name else "there are no tasks"

    def show(self, task_id: int) -> Iterator[str]:
        """Everything about one task. Its arguments may be personal data."""
        kept = self._found(task_id)
        yield f"task       {kept.id} {kept.name}"
        yield f"state      {_NAMES[kept.status]}, attempts {kept.attempts}, priority {kept.priority}"
        yield f"due        {kept.due_at.isoformat(timespec='seconds')}"
        if kept.unique_key:
            yield f"key        {kept.unique_key}"
        yield f"arguments  {msgspec.json.encode(kept.args).decode()}"
        if kept.reason:
            yield f"reason     {kept.reason}"
        for at, event in self._store.history(task_id):
            yield f"           {at.isoformat(timespec='seconds')} {event}"

    def retry(self, task_id: int) -> str:
        try:
            with self._database.transaction() as transaction:
                done = retry(transaction, task_id)
        except Conflict:
            raise Conflict(f"a task with the key of task {task_id} waits already") from None
        if not done:
            self._found(task_id)
            raise Conflict(f"task {task_id} is running")
        return f"Task {task_id} is due now, with all its attempts."

    def cancel(self, task_id: int) -> str:
        with self._database.transaction() as transaction:
            done = cancel(transaction, task_id, "cancelled by an administrator")
        state = _NAMES[self._found(task_id).status]
        if not done:
            raise Conflict(f"task {task_id} is {state}")
        return f"Task {task_id} will be interrupted." if state == "running" else f"Task {task_id} is cancelled."

    def _found(self, task_id: int) -> Kept:
        kept = self._store.find(task_id)
        if kept is None:
            raise NotFound(f"there is no task {task_id}; a task that is done is not kept")
        return kept


def _detail(kept: Kept) -> str:
    if kept.status == "todo":
        again = f", {kept.attempts} attempts failed" if kept.attempts else ""
        return f"due {kept.due_at.isoformat(timespec='seconds')}{again}"
    return (kept.reason or "").partition("\n")[0][:100]
