"""Direct queries to PostgreSQL, without the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from tests.pods.pod import Shared, wait_for


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
