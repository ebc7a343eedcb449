"""No statistics of the words and terms of postings beyond a trace, which the planner would read for each condition.

How a search runs is decided by `term_count` and `lexicon`; half of its time in PostgreSQL was that of planning.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE posting ALTER terms SET STATISTICS 1, ALTER title_tsv SET STATISTICS 1, ALTER body_tsv SET STATISTICS 1;
ANALYZE posting (terms, title_tsv, body_tsv);
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
