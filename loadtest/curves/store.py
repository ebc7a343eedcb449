"""SQL of the cost curves: how large the tables of users are."""

import psycopg2

USERS_BYTES = "SELECT pg_table_size('users'), pg_indexes_size('users')"
SETTLE = "VACUUM (ANALYZE) users"


def users_bytes(database_url: str) -> tuple[int, int]:
    """Bytes of the table of users and of its indexes."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(USERS_BYTES)
        table, indexes = cursor.fetchall()[0]
        return int(table), int(indexes)


def settle(database_url: str) -> None:
    """Leave nothing to do for autovacuum that would count as cost of the next lookups."""
    connection = psycopg2.connect(database_url, options="-c statement_timeout=0")
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(SETTLE)
    finally:
        connection.close()
