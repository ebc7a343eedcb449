"""Direct queries to PostgreSQL, without the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from tests.integration.finality.harness.pods import Shared, wait_for

LIVE_SESSIONS = """
SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.revoked_at IS NULL AND s.expires_at > now() AND s.epoch = u.token_epoch
"""
REVOKED = "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL AND id = ANY (%s)"


def rows(shared: Shared, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Execute one statement, commit, and return its rows."""
    with _connected(shared.postgres.url(shared.database)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def execute(shared: Shared, sql: str, identifier: int) -> bool:
    """Execute one statement; returns whether it is certainly committed, and raises nothing if it fails."""
    try:
        with _connected(shared.postgres.url(shared.database)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, (identifier,))
    except psycopg2.Error:
        return False
    return True


def live_sessions(shared: Shared) -> set[int]:
    return {row[0] for row in rows(shared, LIVE_SESSIONS)}


def wait_until_revoked(shared: Shared, sessions: list[int]) -> None:
    """Wait until the ends of all these sessions are committed."""
    wait_for(lambda: rows(shared, REVOKED, sessions)[0][0] == len(sessions), "the sessions end in PostgreSQL", 7)


def wait_until_published(shared: Shared) -> None:
    """Wait until the outbox is empty: every change is known to every worker."""
    wait_for(lambda: rows(shared, "SELECT count(*) FROM outbox")[0][0] == 0, "the outbox is drained")


@contextmanager
def _connected(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()
