"""Digests: mails of saved searches, what was in them, and when each account's next one is due.

Triggers keep `alert_account` in step with the searches and settings of accounts, so that changes by SQL and by earlier
versions of the service count, too.
"""

from alembic import op
from sqlalchemy import text

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE users ADD COLUMN alert_hour smallint NOT NULL DEFAULT 8;

COMMENT ON COLUMN users.alert_hour IS 'the hour in time_zone at which daily and weekly digests are due';

ALTER TABLE saved_search
    ADD due_at     timestamptz,
    ADD served_era int NOT NULL DEFAULT 0,
    ADD served_xid xid8 NOT NULL DEFAULT '0',
    ADD served_id  bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN saved_search.due_at IS 'when a daily or weekly search is next due; NULL: to be calculated';
COMMENT ON COLUMN saved_search.served_xid IS
    'with served_era and served_id: the event of the last match that a digest has dealt with';

CREATE INDEX query_match_events ON query_match (query_id, era, xid, event_id);

CREATE TABLE digest (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    content    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz,
    dropped    text
);

CREATE INDEX digest_account ON digest (user_id, id);
CREATE INDEX digest_age ON digest (created_at);
CREATE INDEX digest_waiting ON digest (created_at) WHERE sent_at IS NULL AND dropped IS NULL;

COMMENT ON TABLE digest IS 'mails about new matches; kept for 90 days';
COMMENT ON COLUMN digest.content IS 'all that the mail says, so that a repetition says the same';
COMMENT ON COLUMN digest.dropped IS 'why it is never sent; NULL: it is or will be';

CREATE TABLE alert_sent (
    saved_search_id bigint NOT NULL REFERENCES saved_search ON DELETE CASCADE,
    cluster_id      bigint NOT NULL,
    digest_id       bigint NOT NULL,
    PRIMARY KEY (saved_search_id, cluster_id)
);

CREATE INDEX alert_sent_digest ON alert_sent (digest_id);

COMMENT ON TABLE alert_sent IS 'what a search has alerted of, which it never does again; kept as long as the search';
COMMENT ON COLUMN alert_sent.digest_id IS 'which may be gone';

CREATE TABLE alert_account (
    user_id   bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    due_at    timestamptz,
    mailed_at timestamptz
);

CREATE INDEX alert_account_due ON alert_account (due_at, user_id);

COMMENT ON TABLE alert_account IS 'accounts whose searches alert; whoever makes a digest locks the row of its account';
COMMENT ON COLUMN alert_account.due_at IS 'when its searches are looked at next; NULL: not before one is changed';
COMMENT ON COLUMN alert_account.mailed_at IS 'when its last digest was made';

INSERT INTO alert_account (user_id, due_at)
SELECT DISTINCT user_id, now() FROM saved_search WHERE frequency <> 'never';

CREATE FUNCTION count_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.due_at := NULL;
    IF OLD.frequency = 'never' THEN
        NEW.since_era := current_event_era();
        NEW.since_xid := pg_current_xact_id();
    END IF;
    RETURN NEW;
END $$;

COMMENT ON FUNCTION count_anew() IS 'what has matched while a search alerted nobody is not mailed later';

CREATE TRIGGER frequency_changing BEFORE UPDATE OF frequency ON saved_search FOR EACH ROW
    WHEN (OLD.frequency <> NEW.frequency) EXECUTE FUNCTION count_anew();

CREATE FUNCTION look_at_account() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO alert_account (user_id, due_at) VALUES (NEW.user_id, now())
        ON CONFLICT (user_id) DO UPDATE SET due_at = EXCLUDED.due_at;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION look_at_account() IS 'have a worker calculate when the searches of the account are due';

CREATE TRIGGER frequency_given AFTER INSERT ON saved_search FOR EACH ROW
    WHEN (NEW.frequency <> 'never') EXECUTE FUNCTION look_at_account();
CREATE TRIGGER frequency_changed AFTER UPDATE OF frequency ON saved_search FOR EACH ROW
    WHEN (OLD.frequency <> NEW.frequency) EXECUTE FUNCTION look_at_account();

CREATE FUNCTION look_at_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    UPDATE alert_account SET due_at = now() WHERE user_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER alert_hour_changed AFTER UPDATE OF time_zone, alert_hour, verified_at, disabled_at ON users FOR EACH ROW
    WHEN ((OLD.time_zone, OLD.alert_hour, OLD.verified_at, OLD.disabled_at) IS DISTINCT FROM
          (NEW.time_zone, NEW.alert_hour, NEW.verified_at, NEW.disabled_at)) EXECUTE FUNCTION look_at_user();
"""


def upgrade() -> None:
    """Apply this revision; the new columns need no rewriting of tables."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
