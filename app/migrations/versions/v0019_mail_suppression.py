"""The suppression list of mail."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE mail_suppression (
    address    text PRIMARY KEY,
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE mail_suppression IS 'addresses that get no mail: their server does not know them, or they asked';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
