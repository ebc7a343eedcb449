"""Which matches of one event digests have dealt with; a company that became verified has many with one event."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE saved_search ADD served_posting bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN saved_search.served_xid IS
    'with served_era, served_id and served_posting: the event and the posting of the last match that a digest has
     dealt with';

CREATE FUNCTION begin_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.served_posting := 0;
    RETURN NEW;
END $$;

COMMENT ON FUNCTION begin_event() IS
    'for versions that note the event alone: its matches are looked at again, and those alerted of are left out';

CREATE TRIGGER served_changed BEFORE UPDATE OF served_id ON saved_search FOR EACH ROW
    WHEN (NEW.served_posting = OLD.served_posting AND (NEW.served_era, NEW.served_xid, NEW.served_id)
          IS DISTINCT FROM (OLD.served_era, OLD.served_xid, OLD.served_id))
    EXECUTE FUNCTION begin_event();
"""


def upgrade() -> None:
    """Apply this revision; the new column needs no rewriting of the table."""
    op.execute(SQL)
