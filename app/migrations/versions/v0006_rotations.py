"""The times of a session's last token rotations, so that several holders of one refresh token may refresh at once."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE sessions
    ADD COLUMN rotations timestamptz[] NOT NULL DEFAULT '{}',
    ADD COLUMN rotations_at int NOT NULL DEFAULT 0;

COMMENT ON COLUMN sessions.rotations IS 'when tokens rotations_at - 1, rotations_at - 2, ... were rotated away';
COMMENT ON COLUMN sessions.rotations_at IS
    'refresh_counter when rotations were written; another one says that an earlier version of the service has rotated';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
