"""SQL of the one row that says with which log of changes the database is used."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

from app.errors import Unavailable
from app.infra.postgres.database import Database, Transaction

NO_LOG = "none"

_COLUMNS = "identity, following, counter, since <= now() FROM change_log"

# FOR SHARE waits for a change under way, so that no worker agrees to a log that is about to be replaced.
CONFIRM = f"SELECT {_COLUMNS} FOR SHARE"
LOCK = f"SELECT {_COLUMNS} FOR UPDATE"
FIND_COUNTER = "SELECT counter FROM change_log"
RECORD = "UPDATE change_log SET identity = %s WHERE identity IS NULL"

BEGIN_CHANGE = """
WITH changed AS (
    UPDATE change_log
       SET following = %s, counter = 'ticket-' || gen_random_uuid(), seen = '{}',
           since = now() + make_interval(secs => %s)
 RETURNING identity, following
)
INSERT INTO audit_log (event, detail)
SELECT 'log_change_begun', jsonb_build_object('from', identity, 'to', following) FROM changed
"""

NOTE_USE = """
UPDATE change_log SET seen = seen || jsonb_build_object(%s::text, now()) WHERE following <> %s
"""

COMPLETE_CHANGE = """
WITH changed AS (
    UPDATE change_log
       SET identity = following, following = NULL, counter = 'ticket-' || gen_random_uuid(), seen = '{}', since = now()
     WHERE following = %s AND since < now() - make_interval(secs => %s)
       AND NOT EXISTS (SELECT FROM jsonb_each_text(seen) AS each (identity, at)
                        WHERE each.at::timestamptz > now() - make_interval(secs => %s))
 RETURNING identity
)
INSERT INTO audit_log (event, detail) SELECT 'log_changed', jsonb_build_object('to', identity) FROM changed
"""

REPLACE = """
WITH changed AS (
    UPDATE change_log
       SET identity = %s, following = NULL, counter = 'ticket-' || gen_random_uuid(), seen = '{}', since = now()
     WHERE identity IS DISTINCT FROM %s OR following IS NOT NULL
 RETURNING identity
)
INSERT INTO audit_log (event, detail) SELECT 'log_changed', jsonb_build_object('to', identity) FROM changed
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """`identity` is None before any process has worked; `following` is the next log while it is being changed.

    `in_force` is False until a change may be acted upon.
    """

    identity: str | None
    following: str | None
    counter: str
    in_force: bool


class LogRecord:
    """Every method raises `Unavailable`, also where the schema has no such table yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def confirm(self, own: str) -> Recorded:
        """The present record; the first process of the service records its own log."""
        found = self._find()
        if found.identity is None and found.following is None:
            self._database.run(RECORD, own)
            found = self._find()
        return found

    def shown(self) -> str:
        """The present record as text."""
        found = self._find()
        change = f", being changed to {found.following}" if found.following else ""
        return f"{found.identity or 'not recorded yet'}{change}"

    def counter(self) -> str:
        """The counter alone, without waiting for a change that is under way."""
        with _migrated():
            row = self._database.one(FIND_COUNTER)
        return "" if row is None else str(row[0])

    def note_use(self, own: str) -> None:
        """During a change to another log: a process with the log `own` is alive."""
        self._database.run(NOTE_USE, own, own)

    def complete_change(self, own: str, quiet_s: float) -> None:
        """End a change to `own`, unless a process with another log was alive within `quiet_s`."""
        self._database.run(COMPLETE_CHANGE, own, quiet_s, quiet_s)

    def replace(self, identity: str) -> None:
        """Record another log at once; only safe while no process of the service runs."""
        self._database.run(REPLACE, identity, identity)

    @contextmanager
    def changing(self) -> Iterator["Change"]:
        """A transaction that locks the row, so that no worker agrees to it before the commit."""
        with _migrated(), self._database.transaction() as transaction:
            yield Change(transaction)

    def _find(self) -> Recorded:
        with _migrated():
            return _recorded(self._database.one(CONFIRM))


class Change:
    """The steps of a change, within the transaction that has locked the row."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.present = _recorded(transaction.one(LOCK))

    def record(self, identity: str) -> None:
        """Record the first log, when no process has worked yet."""
        self._transaction.run(RECORD, identity)

    def begin(self, following: str, in_force_after_s: float) -> None:
        """Begin the change: from the commit on no log is used, until a process with `following` completes it."""
        self._transaction.run(BEGIN_CHANGE, following, in_force_after_s)


def _recorded(row: tuple[Any, ...] | None) -> Recorded:
    if row is None:
        raise Unavailable("the database does not say with which log of changes it is used: run the migrations")
    return Recorded(*row)


@contextmanager
def _migrated() -> Iterator[None]:
    try:
        yield
    except psycopg2.errors.UndefinedTable as error:
        raise Unavailable("the database has no record of its log of changes yet: run the migrations") from error
