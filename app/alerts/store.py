"""SQL of saved searches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.alerts.queries import matched_form
from app.alerts.schemas import SavedSearch
from app.infra.postgres.database import Database, Transaction
from app.users.store import lock, utc

_COLUMNS = "id, name, query, seen_at, created_at, updated_at, version"

COUNT = "SELECT count(*) FROM saved_search WHERE user_id = %s"

# The update changes nothing: it makes the statement return the row of another account that looks for the same.
_KEPT = """
WITH kept AS (INSERT INTO alert_query (query) VALUES (%s)
              ON CONFLICT (sha256(query::bytea)) DO UPDATE SET query = EXCLUDED.query RETURNING id)
"""

INSERT = f"""
{_KEPT} INSERT INTO saved_search (query_id, user_id, name, query) SELECT id, %s, %s, %s FROM kept RETURNING {_COLUMNS}
"""

FIND = f"SELECT {_COLUMNS} FROM saved_search WHERE user_id = %s AND id = %s"

LIST = f"SELECT {_COLUMNS} FROM saved_search WHERE user_id = %s ORDER BY id"

CHANGEABLE = ("name", "query", "seen_at")

CHANGE = f"""
{{}} UPDATE saved_search SET {{}}, version = version + 1, updated_at = now()
 WHERE user_id = %s AND id = %s AND version = COALESCE(%s::int, version) RETURNING {_COLUMNS}
"""

_OTHER_QUERY = """
query_id = (SELECT id FROM kept), since_era = current_event_era(), since_xid = pg_current_xact_id()
"""

UNFILLED = "SELECT id, query FROM saved_search WHERE query_id IS NULL LIMIT 500 FOR UPDATE SKIP LOCKED"

FILL = f"{_KEPT} UPDATE saved_search SET query_id = kept.id FROM kept WHERE saved_search.id = %s"

ORPHANS = """
SELECT id FROM alert_query q WHERE NOT EXISTS (SELECT FROM saved_search WHERE query_id = q.id)
 ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED
"""

# A statement of its own, which sees what was saved before the rows were locked.
DELETE_ORPHANS = """
DELETE FROM alert_query q WHERE id = ANY (%s) AND NOT EXISTS (SELECT FROM saved_search WHERE query_id = q.id)
"""

DELETE_MATCHES = """
DELETE FROM query_match WHERE (query_id, cluster_id) IN (
       SELECT query_id, cluster_id FROM query_match WHERE at < now() - make_interval(days => %s) LIMIT 1000)
"""

DELETE = "DELETE FROM saved_search WHERE user_id = %s AND id = %s AND version = COALESCE(%s::int, version)"


class SavedSearchStore:
    """Each method is one statement; every one is for one account."""

    def __init__(self, database: Database) -> None:
        self.transaction = database.transaction
        self._database = database

    def find(self, user_id: int, search_id: int) -> SavedSearch | None:
        row = self._database.one(FIND, user_id, search_id)
        return None if row is None else _search(row)

    def list_all(self, user_id: int) -> list[SavedSearch]:
        return [_search(row) for row in self._database.all(LIST, user_id)]

    def change(
        self, user_id: int, search_id: int, values: Mapping[str, str | datetime], version: int | None
    ) -> SavedSearch | None:
        """None if there is no such search or it has another version."""
        setters = [f"{name} = %s" for name in values]
        kept, params = "", [*values.values(), user_id, search_id, version]
        if "query" in values:
            kept, params = _KEPT, [matched_form(str(values["query"])), *params]
            setters.append(_OTHER_QUERY)
        row = self._database.one(CHANGE.format(kept, ", ".join(setters)), *params)
        return None if row is None else _search(row)

    def delete(self, user_id: int, search_id: int, version: int | None) -> bool:
        """Whether there was such a search with this version."""
        return self._database.run(DELETE, user_id, search_id, version) > 0


def count(transaction: Transaction, user_id: int) -> int | None:
    """How many searches the account has, until the transaction ends; None if there is no such account."""
    if not lock(transaction, user_id):
        return None
    row = transaction.one(COUNT, user_id)
    return None if row is None else int(row[0])


def insert(transaction: Transaction, user_id: int, name: str, query: str) -> SavedSearch:
    """Save a search."""
    (row,) = transaction.all(INSERT, matched_form(query), user_id, name, query)
    return _search(row)


def fill(transaction: Transaction) -> int:
    """Note what is searched by rows of versions that do not do so themselves; returns how many rows, some at a time."""
    found = transaction.all(UNFILLED)
    for number, query in found:
        transaction.run(FILL, matched_form(query), number)
    return len(found)


def delete_orphans(transaction: Transaction) -> int:
    """Remove queries that nobody looks for any more, with their matches; returns how many, some at a time."""
    found = [number for (number,) in transaction.all(ORPHANS)]
    return transaction.run(DELETE_ORPHANS, found) if found else 0


def delete_matches(transaction: Transaction, days: int) -> int:
    """Remove matches that are older, some at a time; returns how many."""
    return transaction.run(DELETE_MATCHES, days)


def _search(row: tuple[Any, ...]) -> SavedSearch:
    number, name, query, seen_at, created_at, updated_at, version = row
    return SavedSearch(number, name, query, utc(seen_at), utc(created_at), utc(updated_at), version)
