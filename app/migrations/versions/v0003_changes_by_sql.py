"""Triggers that write to the outbox: every worker learns of a change to users or sessions by any SQL statement."""

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = """
LOCK TABLE users, sessions IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE outbox ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX outbox_xid ON outbox (xid);

COMMENT ON COLUMN outbox.xid IS 'transaction that made the change; its writer deletes its rows once they are published';

CREATE FUNCTION note_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key) VALUES ('user:' || OLD.id);
    RETURN NULL;
END $$;

COMMENT ON FUNCTION note_user() IS 'what is remembered of the user, and of its sessions, no longer holds';

CREATE FUNCTION note_session() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key)
    SELECT 'session:' || OLD.id FROM users WHERE id = OLD.user_id AND token_epoch = OLD.epoch;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION note_session() IS
    'a session of an earlier epoch, or of a deleted user, has ended before, which a row of its user tells';

CREATE FUNCTION note_everybody() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key) SELECT 'user:' || id FROM users;
    RETURN NULL;
END $$;

CREATE TRIGGER user_changed AFTER UPDATE ON users FOR EACH ROW WHEN (
    (OLD.id, OLD.token_epoch, OLD.email::text, OLD.name, OLD.headline, OLD.version, OLD.created_at, OLD.updated_at)
    IS DISTINCT FROM
    (NEW.id, NEW.token_epoch, NEW.email::text, NEW.name, NEW.headline, NEW.version, NEW.created_at, NEW.updated_at)
) EXECUTE FUNCTION note_user();

CREATE TRIGGER user_deleted AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION note_user();

CREATE TRIGGER session_ended AFTER UPDATE ON sessions FOR EACH ROW WHEN (
    OLD.revoked_at IS NULL AND OLD.expires_at > now()
    AND (NEW.revoked_at IS NOT NULL OR NEW.expires_at < OLD.expires_at
         OR (NEW.id, NEW.user_id, NEW.epoch, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.epoch, OLD.created_at))
) EXECUTE FUNCTION note_session();

CREATE TRIGGER session_deleted AFTER DELETE ON sessions FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > now()) EXECUTE FUNCTION note_session();

CREATE TRIGGER users_truncated BEFORE TRUNCATE ON users EXECUTE FUNCTION note_everybody();
CREATE TRIGGER sessions_truncated BEFORE TRUNCATE ON sessions EXECUTE FUNCTION note_everybody();
"""


def upgrade() -> None:
    """Apply this revision; it locks the tables in the same order as the service's transactions."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
