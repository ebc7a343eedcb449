"""SQL of the soak test: how many rows the tables have of which rows are removed again, and the log's counter."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2

from app.coherence.log.store import FIND_COUNTER

COUNT = "SELECT count(*) FROM {}"
SIZE = "SELECT pg_total_relation_size('{}')"
DATABASE_SIZE = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of `name` are removed `kept_s` after they were needed; `rows` chooses those that are counted."""

    name: str
    kept_s: float
    rows: str


TABLES = (
    Table("changes to publish", 0, "outbox"),
    Table("tasks that are due", 0, "procrastinate_jobs WHERE COALESCE(scheduled_at, now()) <= now()"),
    Table("delayed tasks", 3600, "procrastinate_jobs WHERE scheduled_at > now()"),
    Table("events of tasks", 3600, "procrastinate_events"),
    Table("periods of tasks", 120, "procrastinate_periodic_defers"),
    Table("task workers", 60, "procrastinate_workers"),
    Table("unsent digests", 0, "digest WHERE sent_at IS NULL"),
    Table("parts of imports", 0, "feed_part"),
    Table("accounts", 0, "users"),
    Table("open postings", 0, "posting WHERE state = 'open'"),
    Table("live sessions", 0, "sessions WHERE revoked_at IS NULL AND expires_at > now()"),
    Table("events of accounts", 2400, "stream_event"),
    Table("repeated requests", 86_400, "repeatable_request"),
    Table("sessions", 2_678_400, "sessions"),
    Table("links of mails", 604_800, "account_links"),
    Table("events of postings", 604_800, "event"),
    Table("matches", 7_776_000, "query_match"),
    Table("digests", 7_776_000, "digest"),
    Table("audit log", 15_552_000, "audit_log"),
)


def count_rows(url: str) -> dict[str, int]:
    """Rows of each of TABLES, by its name."""
    found = _values(url, [COUNT.format(each.rows) for each in TABLES])
    return {each.name: int(value) for each, value in zip(TABLES, found, strict=True)}


def database_bytes(url: str) -> int:
    """The size of the database."""
    return int(_values(url, [DATABASE_SIZE])[0])


def log_counter(url: str) -> str:
    """The name of the counter of the log of changes."""
    return str(_values(url, [FIND_COUNTER])[0])


def _values(url: str, statements: Sequence[str]) -> list[Any]:
    """The one value of each statement."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        found = []
        for statement in statements:
            cursor.execute(statement)
            [(value,)] = cursor.fetchall()
            found.append(value)
        return found
