"""An index on sessions that are not revoked: each login counts the user's live sessions."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = """
CREATE INDEX sessions_not_revoked ON sessions (user_id) WHERE revoked_at IS NULL;
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
