"""What saved searches look for, stored once however many people save it, and the postings that began to match it."""

from alembic import op
from sqlalchemy import text

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE alert_query (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    query      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX alert_query_text ON alert_query (sha256(query::bytea));

COMMENT ON COLUMN alert_query.query IS 'as app/alerts/queries.py puts a stored query in order; equal searches share it';

CREATE FUNCTION current_event_era() RETURNS int
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$ SELECT number FROM event_era $$;

ALTER TABLE saved_search
    ADD query_id bigint REFERENCES alert_query,
    ADD since_era int NOT NULL DEFAULT current_event_era(),
    ADD since_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ADD frequency text NOT NULL DEFAULT 'never' CHECK (frequency IN ('never', 'instant', 'daily', 'weekly'));

CREATE INDEX saved_search_query ON saved_search (query_id);
CREATE INDEX saved_search_instant ON saved_search (query_id) WHERE frequency = 'instant';

COMMENT ON COLUMN saved_search.query_id IS
    'NULL where a version that does not know it saved the query, until a worker fills it';
COMMENT ON COLUMN saved_search.since_xid IS
    'with since_era: the transaction that last changed what is searched; only matches of later ones count';

CREATE TABLE query_match (
    query_id   bigint NOT NULL REFERENCES alert_query ON DELETE CASCADE,
    cluster_id bigint NOT NULL,
    posting_id bigint NOT NULL,
    era        int NOT NULL,
    xid        xid8 NOT NULL,
    event_id   bigint NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (query_id, cluster_id)
);

CREATE INDEX query_match_at ON query_match (at);

COMMENT ON TABLE query_match IS
    'for each query the clusters that were opened or began to match, with the latest event that did it';
COMMENT ON COLUMN query_match.posting_id IS 'the one of the cluster that was shown';

CREATE FUNCTION forget_query() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.query_id := NULL;
    NEW.since_era := current_event_era();
    NEW.since_xid := pg_current_xact_id();
    RETURN NEW;
END $$;

COMMENT ON FUNCTION forget_query() IS 'for versions that change the query without its number: a worker fills it';

CREATE TRIGGER query_changed BEFORE UPDATE OF query ON saved_search FOR EACH ROW
    WHEN (OLD.query IS DISTINCT FROM NEW.query AND OLD.query_id IS NOT DISTINCT FROM NEW.query_id
          AND OLD.since_xid = NEW.since_xid)
    EXECUTE FUNCTION forget_query();
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
