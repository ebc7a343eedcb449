"""The schema revision of the database, and the one that this version of the service needs."""

from pathlib import Path

import psycopg2

from app.infra.postgres.database import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def current_version(database: Database) -> str | None:
    """The schema's revision, None for an empty database; raises Unavailable."""
    try:
        row = database.one("SELECT version_num FROM alembic_version")
    except psycopg2.errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def newest_version() -> str:
    """The revision that this version of the service needs."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v[0-9]*.py"))
