"""An index for the highest bcrypt cost in use: a login with an unknown address takes as long as a hash of that cost."""

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
