"""The greatest bcrypt cost in use is found at once: a login for an unknown address takes as long as that cost."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = """
CREATE INDEX users_bcrypt_cost ON users (substring(password_hash, 5, 2));
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
