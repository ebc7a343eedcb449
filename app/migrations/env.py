"""Run by Alembic to apply the revisions, in one transaction and under an advisory lock."""

from alembic import context
from sqlalchemy import Connection, text

LOCK_KEY = 7_246_390_112

SESSION = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '2min';
SELECT pg_advisory_xact_lock(:key);
SET LOCAL lock_timeout = '10s';
"""


def upgrade(connection: Connection) -> None:
    """Apply the revisions; a concurrent migration waits for this one to commit, and then has nothing to do."""
    context.configure(connection=connection)
    with context.begin_transaction():
        for each in filter(str.strip, SESSION.split(";")):
            connection.execute(text(each), {"key": LOCK_KEY} if ":key" in each else {})
        context.run_migrations()


upgrade(context.config.attributes["connection"])
