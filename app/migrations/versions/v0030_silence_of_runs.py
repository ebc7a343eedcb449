"""How long a run of a feed may be silent: the import command shows every few seconds that it lives."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE feed_run ADD COLUMN silent_seconds integer NOT NULL DEFAULT 900 CHECK (silent_seconds > 0);

COMMENT ON COLUMN feed_run.silent_seconds IS 'after so long without a sign of life the run is abandoned';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
