"""Runs SQL directly on a database, for tests that bypass the service."""

from collections.abc import Sequence
from typing import Any

import psycopg2


def ask(url: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run and commit one statement; return its rows, or an empty list if it returns none."""
    connection = psycopg2.connect(url, connect_timeout=5)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
