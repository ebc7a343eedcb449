"""The log of changes that the database is used with."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE change_log (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    identity  text,
    following text,
    counter   text NOT NULL DEFAULT 'ticket',
    since     timestamptz NOT NULL DEFAULT now(),
    seen      jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON COLUMN change_log.identity IS 'address of memcached server 0, or none; the first process records its own';
COMMENT ON COLUMN change_log.following IS 'while the log is being changed: the next one; meanwhile nobody uses any';
COMMENT ON COLUMN change_log.counter IS 'the counter of the log; another one from each step of a change on';
COMMENT ON COLUMN change_log.seen IS 'during a change: when processes with which log were last seen';

INSERT INTO change_log DEFAULT VALUES;
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
