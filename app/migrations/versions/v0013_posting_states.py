"""How many postings are in each state, for the metrics: counted with the terms, some minutes old."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE search_upkeep ADD COLUMN states json NOT NULL DEFAULT '{}';

COMMENT ON COLUMN search_upkeep.states IS 'number of postings by state, as last counted';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
