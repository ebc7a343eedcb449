"""Why an administrator has taken a posting down, which its company may read."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE posting ADD COLUMN taken_down_reason text NOT NULL DEFAULT '';

COMMENT ON COLUMN posting.taken_down_at IS 'since when it is closed for good';
COMMENT ON COLUMN posting.taken_down_reason IS 'what the administrator gave as the reason';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
