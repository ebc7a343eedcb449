"""SQL of saved searches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.alerts.digests.store import COUNTS, UNSERVED
from app.alerts.queries import matched_form
from app.alerts.schemas import Alert, Frequency, Outcome, SavedSearch
from app.infra.postgres.database import Database, Transaction
from app.users.store import lock, utc

_COLUMNS = "id, name, query, frequency, seen_at, created_at, updated_at, version"
_OFF = "never"  # as the column has what the API calls `off`

COUNT = "SELECT count(*) FROM saved_search WHERE user_id = %s"

# The update changes nothing: it makes the statement return the row of another account that looks for the same.
_KEPT = """
WITH kept AS (INSERT INTO alert_query (query) VALUES (%s)
              ON CONFLICT (sha256(query::bytea)) DO UPDATE SET query = EXCLUDED.query RETURNING id)
"""

INSERT = f"""
{_KEPT}
INSERT INTO saved_search (query_id, user_id, name, query, frequency) SELECT id, %s, %s, %s, %s FROM kept
RETURNING {_COLUMNS}
"""

FIND = f"SELECT {_COLUMNS} FROM saved_search WHERE user_id = %s AND id = %s"

LIST = f"SELECT {_COLUMNS} FROM saved_search WHERE user_id = %s ORDER BY id"

CHANGEABLE = ("name", "query", "frequency", "seen_at")

CHANGE = f"""
{{}} UPDATE saved_search SET {{}}, version = version + 1, updated_at = now()
 WHERE user_id = %s AND id = %s AND version = COALESCE(%s::int, version) RETURNING {_COLUMNS}
"""

# Matches count on if the same is searched. The later of two changes at a time sees the row of the earlier one.
_OTHER = "query_id IS DISTINCT FROM (SELECT id FROM kept)"
_SEARCHED = f"""
query_id = (SELECT id FROM kept),
since_era = CASE WHEN {_OTHER} THEN current_event_era() ELSE since_era END,
since_xid = CASE WHEN {_OTHER} THEN pg_current_xact_id() ELSE since_xid END
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

ALERT_OF = f"""
SELECT s.frequency, q.at, {COUNTS}, {UNSERVED}, x.digest_id, d.created_at, d.sent_at, d.dropped
  FROM saved_search s JOIN posting p ON p.id = %s
  LEFT JOIN query_match q ON q.query_id = s.query_id AND q.cluster_id = p.cluster_id
  LEFT JOIN alert_sent x ON x.saved_search_id = s.id AND x.cluster_id = p.cluster_id
  LEFT JOIN digest d ON d.id = x.digest_id
 WHERE s.user_id = %s AND s.id = %s
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
        given = [_OFF if value == "off" and name == "frequency" else value for name, value in values.items()]
        kept, params = "", [*given, user_id, search_id, version]
        if "query" in values:
            kept, params = _KEPT, [matched_form(str(values["query"])), *params]
            setters.append(_SEARCHED)
        row = self._database.one(CHANGE.format(kept, ", ".join(setters)), *params)
        return None if row is None else _search(row)

    def alert_of(self, user_id: int, search_id: int, job_id: int) -> Alert | None:
        """What became of the alert about a posting; None if either does not exist."""
        row = self._database.one(ALERT_OF, job_id, user_id, search_id)
        return None if row is None else _alert(*row)

    def delete(self, user_id: int, search_id: int, version: int | None) -> bool:
        """Whether there was such a search with this version."""
        return self._database.run(DELETE, user_id, search_id, version) > 0


def count(transaction: Transaction, user_id: int) -> int | None:
    """How many searches the account has, until the transaction ends; None if there is no such account."""
    if not lock(transaction, user_id):
        return None
    row = transaction.one(COUNT, user_id)
    return None if row is None else int(row[0])


def insert(
    transaction: Transaction, user_id: int, name: str, query: str, frequency: Frequency = "off"
) -> SavedSearch:  # fmt: skip
    """Save a search."""
    stored = _OFF if frequency == "off" else frequency
    (row,) = transaction.all(INSERT, matched_form(query), user_id, name, query, stored)
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
    number, name, query, stored, seen_at, created_at, updated_at, version = row
    frequency: Frequency = "off" if stored == _OFF else stored
    return SavedSearch(number, name, query, frequency, utc(seen_at), utc(created_at), utc(updated_at), version)


def _alert(
    frequency: str, matched_at: datetime | None, counts: bool | None, unserved: bool | None, digest_id: int | None,
    digest_at: datetime | None, sent_at: datetime | None, dropped: str | None,
) -> Alert:  # fmt: skip
    outcome: Outcome
    if digest_id is not None:  # a digest that is no longer kept was sent
        outcome = "dropped" if dropped else "sent" if sent_at or digest_at is None else "sending"
    elif frequency == _OFF:
        outcome = "off"
    elif matched_at is None:
        outcome = "no_match"
    else:
        outcome = "earlier" if not counts else "due" if unserved else "not_found"
    times = [each and utc(each) for each in (matched_at, digest_at, sent_at)]
    return Alert(outcome, times[0], digest_id, times[1], times[2], dropped)
