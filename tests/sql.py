"""SQL straight on a database, for tests that look behind the service."""

from collections.abc import Sequence
from typing import Any

import psycopg2


def ask(url: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows of one statement, which is committed; none where it returns none."""
    connection = psycopg2.connect(url, connect_timeout=5)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
