"""What a worker does for saved searches from time to time."""

from collections.abc import Callable

from app.alerts import store
from app.infra.postgres.database import Database, Transaction
from app.tasks.task import Duty, Retries, Task

MATCHES_DAYS = 90
"""How long the matches of queries are kept."""


class AlertUpkeep:
    """Each transaction does a part, so that none holds back the readers of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def duties(self) -> list[Duty]:
        return [
            Duty(Task("alerts.fill", Retries(2)), self.fill, cron="* * * * *"),
            Duty(Task("alerts.forget", Retries(2)), self.forget, cron="41 * * * *"),
        ]

    def fill(self) -> None:
        """Note what is searched by searches that a version saved which does not do so itself."""
        self._repeated(store.fill)

    def forget(self) -> None:
        """Remove old matches, and queries that nobody looks for any more."""
        self._repeated(lambda transaction: store.delete_matches(transaction, MATCHES_DAYS))
        self._repeated(store.delete_orphans)

    def _repeated(self, part: Callable[[Transaction], int]) -> None:
        done = 1
        while done:
            with self._database.transaction() as transaction:
                done = part(transaction)
