"""What Alembic runs to apply the revisions: one transaction, under one lock for all who migrate at once."""

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
    """Whoever comes second waits for the first to commit, and finds nothing left to do."""
    context.configure(connection=connection)
    with context.begin_transaction():
        for each in filter(str.strip, SESSION.split(";")):
            connection.execute(text(each), {"key": LOCK_KEY} if ":key" in each else {})
        context.run_migrations()


upgrade(context.config.attributes["connection"])
