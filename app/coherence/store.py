"""SQL of the outbox: changes that are committed and perhaps not yet published."""

from collections.abc import Sequence

from app.infra.postgres.database import Database

LIST_OLDER_THAN = """
SELECT id, key FROM outbox
 WHERE EXISTS (SELECT FROM change_log WHERE counter = %s) AND created_at < now() - make_interval(secs => %s)
 ORDER BY id LIMIT %s
"""

_DELETE_IF_AGREED = """
WITH agreed AS (
    SELECT FROM change_log WHERE counter = %s
), gone AS (
    DELETE FROM outbox USING agreed WHERE {}
)
SELECT EXISTS (SELECT FROM agreed)
"""

DELETE = _DELETE_IF_AGREED.format("id = ANY (%s)")

DELETE_OF = _DELETE_IF_AGREED.format("xid = %s::xid8")


class Outbox:
    """Triggers of the domains' tables insert the rows, whoever changes these tables.

    `counter` is that of the log to which they are published, or would be if it were used: for any other than the one
    that the database is used with there are no rows, and none is deleted.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def older_than(self, seconds: float, limit: int, counter: str) -> list[tuple[int, str]]:
        """Up to `limit` rows (id, key), the oldest first."""
        return [(row[0], row[1]) for row in self._database.all(LIST_OLDER_THAN, counter, seconds, limit)]

    def delete(self, ids: Sequence[int], counter: str) -> bool:
        """Forget changes that are final; those that are gone already do not matter.

        Returns False, and nothing is deleted, where the database is used with another log.
        """
        return self._delete(DELETE, counter, list(ids))

    def delete_of(self, xid: str | None, counter: str) -> bool:
        """The same with every change of the transaction; None has changed nothing."""
        return self._delete(DELETE_OF, counter, xid)

    def _delete(self, statement: str, counter: str, which: list[int] | str | None) -> bool:
        row = self._database.one(statement, counter, which)
        return row is not None and bool(row[0])
