"""Which primary writes the WAL, and since which promotion: replicas are used while their copy says the same."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE wal_line (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    line      text NOT NULL DEFAULT ''
);

COMMENT ON COLUMN wal_line.line IS 'system identifier and timeline; a process that uses replicas writes it';

INSERT INTO wal_line DEFAULT VALUES;
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
