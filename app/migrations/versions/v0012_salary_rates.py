"""The day of the exchange rates by which a salary was made comparable, so that newer rates replace it.

The default makes the ticker compute the salaries of postings that are there, and of those that earlier versions write.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE posting ADD COLUMN salary_rates_of date DEFAULT '-infinity';

COMMENT ON COLUMN posting.salary_rates_of IS 'day of the rates used for `salary`; null where none were needed';

CREATE INDEX posting_salary_rates ON posting (salary_rates_of) WHERE shown AND salary_rates_of IS NOT NULL;
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
