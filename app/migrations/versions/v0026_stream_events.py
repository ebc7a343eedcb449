"""Events for the accounts that they concern, which the realtime gateway sends: sessions, profiles and applications.

Triggers write them in the statement that makes the change, as those of postings (0016), and a reader goes by
(era, xid, id) in the same way. They name ids only. Four partitions, one for each ten minutes in turn, are emptied
when their events are older than any client may resume.
"""

from alembic import op
from sqlalchemy import text

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE stream_floor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    era       int NOT NULL DEFAULT 0,
    xid       xid8 NOT NULL DEFAULT '0',
    id        bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE stream_floor IS 'the last event of stream_event that is no longer kept';

INSERT INTO stream_floor DEFAULT VALUES;

CREATE TABLE stream_event (
    slot    int NOT NULL DEFAULT (extract(epoch FROM now())::bigint / 600 % 4)::int,
    era     int NOT NULL,
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id      bigint NOT NULL,
    user_id bigint NOT NULL,
    type    text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    data    jsonb NOT NULL
) PARTITION BY LIST (slot);

CREATE SEQUENCE stream_event_id OWNED BY stream_event.id;
ALTER TABLE stream_event ALTER id SET DEFAULT nextval('stream_event_id');

DO $$ BEGIN
    FOR number IN 0..3 LOOP
        EXECUTE format('CREATE TABLE stream_event_%s PARTITION OF stream_event FOR VALUES IN (%s)', number, number);
    END LOOP;
END $$;

CREATE INDEX stream_event_position ON stream_event (era, xid, id);
CREATE INDEX stream_event_of ON stream_event (user_id, era, xid, id);

COMMENT ON TABLE stream_event IS 'insert-only, kept for 20 to 40 minutes; see app/events/streams';
COMMENT ON COLUMN stream_event.slot IS 'ten minutes of the transaction, modulo 4, by which old events are removed';
COMMENT ON COLUMN stream_event.user_id IS
    'who gets it; no foreign key, because a change must not fail when a reader''s account goes at the same time';
COMMENT ON COLUMN stream_event.data IS 'ids, numbers and stages, nothing that names a person';

CREATE FUNCTION stream_to(reader bigint, what text, said jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
    INSERT INTO stream_event (era, user_id, type, data) SELECT number, reader, what, said FROM event_era
$$;

COMMENT ON FUNCTION stream_to(bigint, text, jsonb) IS 'write an event for one account, within the present transaction';

CREATE FUNCTION stream_session() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM stream_to(NEW.user_id, 'account.session_ended', jsonb_build_object('session_id', NEW.id));
    RETURN NULL;
END $$;

CREATE FUNCTION stream_password() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM stream_to(NEW.id, 'account.password_changed', '{}');
    RETURN NULL;
END $$;

CREATE FUNCTION stream_profile() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM stream_to(NEW.id, 'account.profile_changed', jsonb_build_object('version', NEW.version));
    RETURN NULL;
END $$;

CREATE FUNCTION stream_step() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM stream_to(
        reader.id,
        CASE WHEN reader.member AND NEW.stage = 'submitted' THEN 'applications.submitted'
             ELSE 'applications.stage_changed' END,
        jsonb_build_object('application_id', a.id, 'job_id', a.posting_id, 'stage', NEW.stage))
      FROM application a JOIN posting p ON p.id = a.posting_id
     CROSS JOIN LATERAL (
           SELECT a.candidate_id AS id, false AS member
            UNION ALL
           SELECT user_id, true FROM company_members WHERE company_id = p.company_id AND user_id <> a.candidate_id
     ) reader
     WHERE a.id = NEW.application_id;
    RETURN NULL;
END $$;

CREATE TRIGGER stream_session AFTER UPDATE OF revoked_at ON sessions FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION stream_session();
CREATE TRIGGER stream_password AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.password_hash <> NEW.password_hash AND OLD.token_epoch <> NEW.token_epoch)
    EXECUTE FUNCTION stream_password();
CREATE TRIGGER stream_profile AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION stream_profile();
CREATE TRIGGER stream_step AFTER INSERT ON application_step FOR EACH ROW EXECUTE FUNCTION stream_step();

CREATE FUNCTION rotate_stream_events() RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    last stream_event%ROWTYPE;
    emptied int := 0;
BEGIN
    PERFORM FROM stream_floor FOR UPDATE;
    FOR number IN 0..3 LOOP
        EXECUTE format('SELECT * FROM stream_event_%s ORDER BY era DESC, xid DESC, id DESC LIMIT 1', number) INTO last;
        CONTINUE WHEN last.at IS NULL OR last.at > now() - interval '20 minutes';
        EXECUTE format('TRUNCATE stream_event_%s', number);
        UPDATE stream_floor SET era = last.era, xid = last.xid, id = last.id
         WHERE (era, xid, id) < (last.era, last.xid, last.id);
        emptied := emptied + 1;
    END LOOP;
    RETURN emptied;
END $$;

COMMENT ON FUNCTION rotate_stream_events() IS
    'empty the partitions whose last event is older than clients may resume; returns how many';
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
