"""The stage that a candidate was told of last, so that none is told twice in a row, nor many within an hour."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE application ADD COLUMN told_stage text, ADD COLUMN told_at timestamptz;

COMMENT ON COLUMN application.told_stage IS 'the last stage that the candidate got a mail about; NULL: none yet';
COMMENT ON COLUMN application.told_at IS 'when that mail was made';
"""


def upgrade() -> None:
    """Apply this revision; the new columns need no rewriting of the table."""
    op.execute(SQL)
