"""SQL of the promises: more users than fit into a cache, and the connections that PostgreSQL has."""

from typing import Any

import psycopg2

ADD_USERS = """
INSERT INTO users (email, name, headline, password_hash)
SELECT 'many' || lpad(number::text, 9, '0') || '@example.com', 'Ada Byron', 'Backend engineer', %s
  FROM generate_series((SELECT count(*) FROM users) + 1, %s) AS number
"""

COUNT_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()
"""

_NO_PASSWORD = b"x"
_POOL_SIZES = ("default_pool_size", "max_db_connections")


def add_users(database_url: str, users: int) -> None:
    """Add made-up users, who cannot log in, until there are so many; their ids go on without gaps."""
    unlimited = psycopg2.connect(database_url, options="-c statement_timeout=0")
    with unlimited as connection, connection.cursor() as cursor:
        cursor.execute(ADD_USERS, (_NO_PASSWORD, users))
        cursor.execute("ANALYZE users")


class Connections:
    """Counts the client connections that PostgreSQL has, but its own."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg2.connect(database_url)
        self._connection.autocommit = True

    def count(self) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(COUNT_CONNECTIONS)
            return int(cursor.fetchall()[0][0])

    def close(self) -> None:
        self._connection.close()


def server_connections(console_url: str) -> int:
    """How many connections to PostgreSQL PgBouncer has."""
    return len(_asked(console_url, "SHOW SERVERS"))


def set_pool(console_url: str, size: int) -> int:
    """Set the size of PgBouncer's pool, and end the connections that it has; returns the size before."""
    before = {row[0]: row[1] for row in _asked(console_url, "SHOW CONFIG")}
    for name in _POOL_SIZES:
        _asked(console_url, f"SET {name} = {size}")
    _asked(console_url, "RECONNECT")
    return int(before[_POOL_SIZES[0]])


def _asked(console_url: str, command: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(console_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(command)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
