"""Saved searches of accounts."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE saved_search (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name       text NOT NULL,
    query      text NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version    int NOT NULL DEFAULT 1
);

CREATE INDEX saved_search_account ON saved_search (user_id, id);

COMMENT ON COLUMN saved_search.query IS 'parameters of GET /jobs as in an address';
COMMENT ON COLUMN saved_search.seen_at IS 'matches that were published later are new to the account';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
