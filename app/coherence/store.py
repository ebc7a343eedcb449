"""SQL of the outbox: committed changes that may not be published yet."""

from collections.abc import Sequence

from app.infra.postgres.database import Database, Transaction

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


CHANGED = "SELECT DISTINCT pg_current_xact_id()::text, key FROM outbox WHERE xid = pg_current_xact_id()"


def changed_keys(transaction: Transaction) -> tuple[str | None, list[str]]:
    """The transaction's id, and the keys that its triggers have written to the outbox."""
    rows = transaction.all(CHANGED)
    return (rows[0][0] if rows else None), [row[1] for row in rows]


# The inner query runs once. As a join it may be planned as a nested loop, and a large import leaves many rows.
CHANGED_WITH = "SELECT DISTINCT key FROM outbox WHERE xid = ANY (ARRAY(SELECT DISTINCT xid FROM outbox WHERE key = %s))"


def unpublished_with(database: Database, key: str) -> list[str]:
    """Keys of all transactions that changed `key` and may not be published yet."""
    return [row[0] for row in database.all(CHANGED_WITH, key)]


class Outbox:
    """Triggers of the domains' tables insert the rows, for every change of these tables.

    `counter` is that of the log under which the caller publishes. When it is not the database's present one, no rows
    are returned or deleted.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def older_than(self, seconds: float, limit: int, counter: str) -> list[tuple[int, str]]:
        """Up to `limit` rows (id, key), the oldest first."""
        return [(row[0], row[1]) for row in self._database.all(LIST_OLDER_THAN, counter, seconds, limit)]

    def delete(self, ids: Sequence[int], counter: str) -> bool:
        """Delete rows whose changes are final; missing rows are ignored.

        Returns False, and nothing is deleted, where the database is used with another log.
        """
        return self._delete(DELETE, counter, list(ids))

    def delete_of(self, xid: str | None, counter: str) -> bool:
        """The same for all rows of the transaction `xid`; None for no transaction."""
        return self._delete(DELETE_OF, counter, xid)

    def _delete(self, statement: str, counter: str, which: list[int] | str | None) -> bool:
        row = self._database.one(statement, counter, which)
        return row is not None and bool(row[0])
