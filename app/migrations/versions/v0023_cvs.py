"""CVs of applications."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE application_cv (
    application_id bigint PRIMARY KEY REFERENCES application ON DELETE CASCADE,
    at             timestamptz NOT NULL DEFAULT now(),
    bytes          int NOT NULL
);

CREATE TABLE application_cv_part (
    application_id bigint NOT NULL REFERENCES application_cv ON DELETE CASCADE,
    part           int NOT NULL,
    pdf            bytea NOT NULL,
    PRIMARY KEY (application_id, part)
);

ALTER TABLE application_cv_part ALTER pdf SET STORAGE EXTERNAL;

COMMENT ON TABLE application_cv_part IS 'the content of a PDF, in parts that no statement is slow or large for';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
