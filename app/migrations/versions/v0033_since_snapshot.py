"""What was visible when a search was saved, so that transactions which were still open then count as later ones."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE saved_search ADD since_snapshot pg_snapshot;
ALTER TABLE saved_search ALTER since_snapshot SET DEFAULT pg_current_snapshot();

COMMENT ON COLUMN saved_search.since_xid IS
    'with since_era: the transaction that last changed what is searched, or switched alerts on';
COMMENT ON COLUMN saved_search.since_snapshot IS
    'what that transaction saw: matches of the era count whose events it did not see; NULL since before this column was
     added: matches of later transactions count';

CREATE FUNCTION count_from_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.since_snapshot := pg_current_snapshot();
    RETURN NEW;
END $$;

COMMENT ON FUNCTION count_from_now() IS
    'for all versions, and the triggers frequency_changing and query_changed, which run before by their names';

CREATE TRIGGER since_changed BEFORE UPDATE ON saved_search FOR EACH ROW
    WHEN (OLD.since_xid <> NEW.since_xid) EXECUTE FUNCTION count_from_now();
"""


def upgrade() -> None:
    """Apply this revision; rows that are there keep NULL, so that the table is not rewritten."""
    op.execute(SQL)
