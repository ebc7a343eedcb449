"""SQL of the outbox: changes that are committed and perhaps not yet published."""

from collections.abc import Sequence

from app.infra.postgres import Database

LIST_OLDER_THAN = """
SELECT id, key FROM outbox WHERE created_at < now() - make_interval(secs => %s) ORDER BY id LIMIT %s
"""

DELETE = "DELETE FROM outbox WHERE id = ANY (%s)"

DELETE_OF = "DELETE FROM outbox WHERE xid = %s::xid8"


class Outbox:
    """Triggers of the domains' tables insert the rows, whoever changes these tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def older_than(self, seconds: float, limit: int) -> list[tuple[int, str]]:
        """Up to `limit` rows (id, key), the oldest first."""
        return [(row[0], row[1]) for row in self._database.all(LIST_OLDER_THAN, seconds, limit)]

    def delete(self, ids: Sequence[int]) -> None:
        """Forget changes that are final; those that are gone already do not matter."""
        self._database.run(DELETE, list(ids))

    def delete_of(self, xid: str) -> None:
        """Forget every change of the transaction."""
        self._database.run(DELETE_OF, xid)
