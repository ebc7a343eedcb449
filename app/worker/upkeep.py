"""What workers do for the queue itself: tasks of workers that are gone are taken again, and old failures forgotten."""

from collections.abc import Mapping

from app.infra.postgres.database import Database
from app.tasks.store import Abandoned, QueueStore, lock_abandoned, settle_abandoned
from app.tasks.task import Duty, Retries, Task

FORGET_DAYS = 30
ABANDONED_MOST = 10
"""A task may end this many workers, or as many as its own retries, before it is kept as failed."""
REASON = "its worker ended, or was cut off from the database"


class Upkeep:
    """Every worker does it; each skips what another one has locked. `silent_s` is how long a worker may be silent."""

    def __init__(self, database: Database, store: QueueStore, silent_s: float) -> None:
        self._database, self._store, self._silent_s = database, store, silent_s
        self.retries: Mapping[str, Retries] = {}

    def duty(self) -> Duty:
        """The periodic task that forgets old failures."""
        return Duty(Task("tasks.forget", Retries(2)), self.forget, cron="17 3 * * *")

    def take_over(self) -> int:
        """Put back the tasks of silent workers; returns how many tasks."""
        self._store.prune_workers(self._silent_s)
        total = 0
        while True:
            with self._database.transaction() as transaction:
                found = lock_abandoned(transaction)
                for each in found:
                    settle_abandoned(transaction, each, REASON, None if self._is_poison(each) else 0.0)
            if not found:
                return total
            total += len(found)

    def forget(self) -> None:
        """Remove tasks that failed or were cancelled FORGET_DAYS ago."""
        while self._store.forget_failed(FORGET_DAYS):
            pass

    def _is_poison(self, task: Abandoned) -> bool:
        own = self.retries.get(task.name, Retries())
        return task.failed + 1 > max(own.most, ABANDONED_MOST)
