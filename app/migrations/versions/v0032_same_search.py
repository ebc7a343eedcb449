"""A query that is saved again with another order of its parameters or matches is the same search."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

SQL = """
CREATE FUNCTION searched_parts(text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(part ORDER BY part) FROM unnest(string_to_array($1, '&')) AS part WHERE part NOT LIKE 'sort=%'
$$;

COMMENT ON FUNCTION searched_parts(text) IS 'the parameters of a stored query that say what matches, in one order';

CREATE OR REPLACE FUNCTION forget_query() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF searched_parts(OLD.query) IS DISTINCT FROM searched_parts(NEW.query) THEN
        NEW.query_id := NULL;
        NEW.since_era := current_event_era();
        NEW.since_xid := pg_current_xact_id();
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
