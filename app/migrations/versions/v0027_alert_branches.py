"""Queries of saved searches under their anchors, and the position of the matcher that reads events.

Events of changes say more of what was there before, so that it can be told which queries matched before.
"""

from alembic import op
from sqlalchemy import text

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE alert_query ADD compiled text COLLATE "C" NOT NULL DEFAULT '';

CREATE INDEX alert_query_compiled ON alert_query (compiled, id);

COMMENT ON COLUMN alert_query.compiled IS 'what its branches were made with; empty: they must be made';

CREATE TABLE alert_branch (
    anchor      bigint NOT NULL,
    query_id    bigint NOT NULL REFERENCES alert_query ON DELETE CASCADE,
    asked       tsquery,
    phrases     tsquery,
    salary_min  int,
    salary_null boolean NOT NULL,
    days        int,
    verified    boolean NOT NULL,
    listed      int[] NOT NULL,
    lat         double precision,
    lon         double precision,
    metres      int
);

CREATE INDEX alert_branch_anchor ON alert_branch (anchor);
CREATE INDEX alert_branch_query ON alert_branch (query_id);

COMMENT ON TABLE alert_branch IS
    'alternatives of queries with all their conditions, each under the anchors of which a match has at least one';
COMMENT ON COLUMN alert_branch.anchor IS
    'number of a word, a filterable value or a pair, as app/alerts/matching makes it';
COMMENT ON COLUMN alert_branch.asked IS 'words, and filterable values as # and their number';

CREATE TABLE alert_name (
    query_id bigint NOT NULL REFERENCES alert_query ON DELETE CASCADE,
    kind     int NOT NULL,
    name     text COLLATE "C" NOT NULL
);

CREATE INDEX alert_name_name ON alert_name (kind, name);
CREATE INDEX alert_name_query ON alert_name (query_id);

COMMENT ON TABLE alert_name IS 'skills, regions and cities that queries name; one may get a further number later';

CREATE TABLE alert_term (id int PRIMARY KEY);

COMMENT ON TABLE alert_term IS 'numbers of skills, regions and cities that all branches know';

CREATE TABLE alert_position (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    log       text NOT NULL,
    era       int NOT NULL,
    xid       xid8 NOT NULL,
    id        bigint NOT NULL,
    posting   bigint NOT NULL DEFAULT 0
);

INSERT INTO alert_position (log, era, xid, id) SELECT name, number, pg_current_xact_id(), 0 FROM event_era;

COMMENT ON TABLE alert_position IS 'the last event that was matched; its row is locked by the worker that matches';
COMMENT ON COLUMN alert_position.posting IS
    'of the next event, if it is of a company: the last posting that was matched';

CREATE FUNCTION searched_before(posting) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('terms', $1.terms, 'title_tsv', $1.title_tsv, 'body_tsv', $1.body_tsv,
                              'salary', $1.salary, 'lats', $1.lats, 'lons', $1.lons)
$$;

CREATE OR REPLACE FUNCTION record_posting() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    said jsonb := jsonb_build_object('company', COALESCE(NEW.company_id, OLD.company_id));
    kind text := CASE WHEN NEW.state = 'open' AND OLD.state = 'open' THEN 'changed'
                      WHEN NEW.state = 'open' THEN 'opened'
                      WHEN NEW.state = 'expired' THEN 'expired' ELSE 'closed' END;
    leader posting%ROWTYPE;
BEGIN
    IF kind IN ('closed', 'expired') THEN
        said := said || jsonb_build_object('places', places_of(OLD.id));
    ELSIF kind = 'changed' AND OLD.shown THEN
        said := said || jsonb_build_object('before', searched_before(OLD));
    ELSIF kind = 'changed' THEN
        SELECT * INTO leader FROM posting WHERE cluster_id = OLD.cluster_id AND shown AND NOT strayed;
        IF FOUND THEN
            said := said || jsonb_build_object('before', searched_before(leader));
        END IF;
    END IF;
    INSERT INTO event (era, kind, ref, version, payload)
    SELECT number, kind, COALESCE(NEW.id, OLD.id), COALESCE(NEW.version, OLD.version + 1), said FROM event_era;
    RETURN COALESCE(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION record_company() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO event (era, kind, ref, version, payload)
    SELECT number,
           CASE WHEN NEW.closed_at IS NULL AND TG_OP = 'UPDATE' THEN 'company_changed' ELSE 'company_closed' END,
           OLD.id, COALESCE(NEW.version, OLD.version + 1),
           CASE WHEN NEW.verified AND NOT OLD.verified THEN '{"verified": true}'::jsonb ELSE '{}' END FROM event_era;
    RETURN NULL;
END $$;

COMMENT ON COLUMN event.payload IS
    'of a posting: its company, its last places if it ends; if it changes, the search columns before of the posting
     that was shown for it; of a company: whether it has become verified';
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
