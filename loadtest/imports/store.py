"""SQL of the measurements of imports: the company that imports, and how many rows were written."""

import time

import psycopg2

COMPANY = "INSERT INTO companies (slug, name) VALUES (%s, %s)"

WRITTEN = """
SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables
 WHERE relname ~ '^(posting|event_[0-9]|term$)'
"""

COUNTED_AFTER_S = 11.0
"""Idle processes of PostgreSQL count what they wrote 10 s later at the latest."""


def add_company(url: str, slug: str) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(COMPANY, (slug, slug))


def rows_written(url: str) -> int:
    """Rows of postings and of what follows from them that were written; waits until all of them are counted."""
    before, written = -1, _counted(url)
    while written != before:
        time.sleep(COUNTED_AFTER_S)
        before, written = written, _counted(url)
    return written


def _counted(url: str) -> int:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(WRITTEN)
        [(written,)] = cursor.fetchall()
        return int(written)
