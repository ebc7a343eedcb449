"""Events: what changes of postings and companies leave behind for the public feed and for background work.

Triggers write them in the statement that makes the change, so that changes by SQL and by earlier versions of the
service are there, too. A reader goes by (era, xid, id) and stops before the oldest transaction that still runs
(`app/events/store.py`). Ten partitions, one for each day in turn, are emptied when their events are old.
"""

from alembic import op
from sqlalchemy import text

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE event_era (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number      int NOT NULL DEFAULT 1,
    name        text NOT NULL DEFAULT gen_random_uuid()::text,
    identity    text NOT NULL DEFAULT '',
    floor_era   int NOT NULL DEFAULT 0,
    floor_xid   xid8 NOT NULL DEFAULT '0',
    floor_id    bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE event_era IS 'a new era begins when the database is another one, such as after a restore';
COMMENT ON COLUMN event_era.identity IS 'event_identity() when the era began';
COMMENT ON COLUMN event_era.floor_xid IS 'with floor_era and floor_id: the last event that is no longer kept';

INSERT INTO event_era DEFAULT VALUES;

CREATE TABLE event (
    slot    int NOT NULL DEFAULT (extract(epoch FROM now())::bigint / 86400 % 10)::int,
    era     int NOT NULL,
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id      bigint NOT NULL,
    kind    text NOT NULL,
    ref     bigint NOT NULL,
    version int NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    payload jsonb NOT NULL DEFAULT '{}'
) PARTITION BY LIST (slot);

CREATE SEQUENCE event_id OWNED BY event.id;
ALTER TABLE event ALTER id SET DEFAULT nextval('event_id');

DO $$ BEGIN
    FOR number IN 0..9 LOOP
        EXECUTE format('CREATE TABLE event_%s PARTITION OF event FOR VALUES IN (%s)', number, number);
    END LOOP;
END $$;

CREATE INDEX event_position ON event (era, xid, id);

COMMENT ON TABLE event IS 'insert-only; see app/events';
COMMENT ON COLUMN event.slot IS 'the day of the transaction, modulo 10, by which old events are removed';
COMMENT ON COLUMN event.kind IS 'opened, changed, closed, expired; company_changed, company_closed';
COMMENT ON COLUMN event.ref IS 'id of the posting or company';
COMMENT ON COLUMN event.version IS
    'of the posting or company; readers ignore lower ones, and at the same version the end of a posting wins';
COMMENT ON COLUMN event.payload IS
    'of a posting: its company, its last places if it ends; if it changes while it is shown, its search columns before';

CREATE FUNCTION event_identity() RETURNS text
    LANGUAGE sql STABLE SET search_path = {schema}, pg_temp AS $$
    SELECT concat_ws('.', (SELECT system_identifier FROM pg_control_system()),
                     left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
                     (SELECT oid FROM pg_database WHERE datname = current_database()), 'event'::regclass::oid)
$$;

COMMENT ON FUNCTION event_identity() IS
    'differs after a failover, and after a restore of files or of a dump: transaction numbers or events may be others';

CREATE FUNCTION places_of(posting bigint) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
    SELECT COALESCE((SELECT (detail->'places')::jsonb FROM posting_text WHERE posting_id = posting), '[]')
$$;

CREATE FUNCTION record_posting() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    said jsonb := jsonb_build_object('company', COALESCE(NEW.company_id, OLD.company_id));
    kind text := CASE WHEN NEW.state = 'open' AND OLD.state = 'open' THEN 'changed'
                      WHEN NEW.state = 'open' THEN 'opened'
                      WHEN NEW.state = 'expired' THEN 'expired' ELSE 'closed' END;
BEGIN
    IF kind IN ('closed', 'expired') THEN
        said := said || jsonb_build_object('places', places_of(OLD.id));
    ELSIF kind = 'changed' AND OLD.shown THEN
        said := said || jsonb_build_object('before', jsonb_build_object(
            'terms', OLD.terms, 'title_tsv', OLD.title_tsv, 'body_tsv', OLD.body_tsv, 'salary', OLD.salary));
    END IF;
    INSERT INTO event (era, kind, ref, version, payload)
    SELECT number, kind, COALESCE(NEW.id, OLD.id), COALESCE(NEW.version, OLD.version + 1), said FROM event_era;
    RETURN COALESCE(NEW, OLD);
END $$;

COMMENT ON FUNCTION record_posting() IS 'write the event of a posting that is or was open';

CREATE FUNCTION record_end_of_all() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO event (era, kind, ref, version, payload)
    SELECT number, 'closed', id, version + 1, jsonb_build_object('company', company_id, 'places', places_of(id))
      FROM posting, event_era WHERE state = 'open';
    RETURN NULL;
END $$;

CREATE FUNCTION record_company() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO event (era, kind, ref, version)
    SELECT number,
           CASE WHEN NEW.closed_at IS NULL AND TG_OP = 'UPDATE' THEN 'company_changed' ELSE 'company_closed' END,
           OLD.id, COALESCE(NEW.version, OLD.version + 1) FROM event_era;
    RETURN NULL;
END $$;

CREATE TRIGGER record_opening AFTER INSERT ON posting FOR EACH ROW
    WHEN (NEW.state = 'open') EXECUTE FUNCTION record_posting();
CREATE TRIGGER record_change AFTER UPDATE ON posting FOR EACH ROW
    WHEN ((OLD.state = 'open' OR NEW.state = 'open')
          AND (OLD.version, OLD.state) IS DISTINCT FROM (NEW.version, NEW.state)) EXECUTE FUNCTION record_posting();
CREATE TRIGGER record_deletion BEFORE DELETE ON posting FOR EACH ROW
    WHEN (OLD.state = 'open') EXECUTE FUNCTION record_posting();
CREATE TRIGGER record_truncation BEFORE TRUNCATE ON posting EXECUTE FUNCTION record_end_of_all();
CREATE TRIGGER record_change AFTER UPDATE ON companies FOR EACH ROW
    WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION record_company();
CREATE TRIGGER record_deletion AFTER DELETE ON companies FOR EACH ROW EXECUTE FUNCTION record_company();

CREATE FUNCTION rotate_events() RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    last event%ROWTYPE;
    emptied int := 0;
BEGIN
    PERFORM FROM event_era FOR UPDATE;
    FOR number IN 0..9 LOOP
        EXECUTE format('SELECT * FROM event_%s ORDER BY era DESC, xid DESC, id DESC LIMIT 1', number) INTO last;
        CONTINUE WHEN last.at IS NULL OR last.at > now() - interval '7 days 1 hour';
        EXECUTE format('TRUNCATE event_%s', number);
        UPDATE event_era SET floor_era = last.era, floor_xid = last.xid, floor_id = last.id
         WHERE (floor_era, floor_xid, floor_id) < (last.era, last.xid, last.id);
        emptied := emptied + 1;
    END LOOP;
    RETURN emptied;
END $$;

COMMENT ON FUNCTION rotate_events() IS
    'empty the partitions whose last event is older than readers may be behind; returns how many';
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
