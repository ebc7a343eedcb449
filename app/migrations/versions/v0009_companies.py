"""Companies with their members, administrators, and accounts that are disabled.

As for users, triggers write to the outbox on every change to companies. Two triggers also enforce rules while pods of
earlier versions still run: an open company has an owner, and a disabled account gets no session.
"""

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE users ADD COLUMN admin boolean NOT NULL DEFAULT false, ADD COLUMN disabled_at timestamptz;

COMMENT ON COLUMN users.admin IS 'may use /api/v1/admin; only `python -m app admin` changes it';
COMMENT ON COLUMN users.disabled_at IS 'since when nobody can log in to the account; its sessions end with its epoch';

CREATE FUNCTION refuse_disabled() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM users WHERE id = NEW.user_id AND disabled_at IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;

COMMENT ON FUNCTION refuse_disabled() IS 'a login to a disabled account opens no session, as with another epoch';

CREATE TRIGGER session_refused BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION refuse_disabled();

ALTER TABLE audit_log ADD COLUMN actor_id bigint, ADD COLUMN company_id bigint;

COMMENT ON COLUMN audit_log.user_id IS 'whom it concerns; no foreign key: what happened outlives the account';
COMMENT ON COLUMN audit_log.actor_id IS 'who did it, where that is another account or a company is concerned';

CREATE TABLE companies (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug        text NOT NULL UNIQUE,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    website     text,
    country     text CHECK (country ~ '^[A-Z][A-Z]$'),
    verified    boolean NOT NULL DEFAULT false,
    version     int NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz
) WITH (fillfactor = 90);

COMMENT ON COLUMN companies.slug IS 'never changes, and is not given to another company when this one is closed';
COMMENT ON COLUMN companies.version IS 'counts changes, for If-Match';
COMMENT ON COLUMN companies.closed_at IS 'since when the company is no longer there for anybody';

CREATE TABLE company_members (
    company_id bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    role       text NOT NULL CHECK (role IN ('owner', 'recruiter')),
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (company_id, user_id)
);

CREATE INDEX company_members_user_id ON company_members (user_id, company_id);

CREATE FUNCTION note_company() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key) VALUES ('company:' || OLD.id);
    RETURN NULL;
END $$;

COMMENT ON FUNCTION note_company() IS 'what is remembered of the company no longer holds';

CREATE FUNCTION note_every_company() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key) SELECT 'company:' || id FROM companies;
    RETURN NULL;
END $$;

CREATE FUNCTION keep_an_owner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM FROM companies WHERE id = OLD.company_id AND closed_at IS NULL FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM company_members WHERE company_id = OLD.company_id AND role = 'owner')
    THEN
        RAISE EXCEPTION 'company % would have no owner', OLD.company_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'company_owner', TABLE = 'company_members';
    END IF;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION keep_an_owner() IS
    'the lock comes before the question, so that two owners who leave at once are asked one after the other';

CREATE TRIGGER company_changed AFTER UPDATE ON companies FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION note_company();
CREATE TRIGGER company_deleted AFTER DELETE ON companies FOR EACH ROW EXECUTE FUNCTION note_company();
CREATE TRIGGER companies_truncated BEFORE TRUNCATE ON companies EXECUTE FUNCTION note_every_company();

CREATE TRIGGER owner_left AFTER DELETE ON company_members FOR EACH ROW
    WHEN (OLD.role = 'owner') EXECUTE FUNCTION keep_an_owner();
CREATE TRIGGER owner_changed AFTER UPDATE ON company_members FOR EACH ROW
    WHEN (OLD.role = 'owner' AND (NEW.role, NEW.company_id) IS DISTINCT FROM (OLD.role, OLD.company_id))
    EXECUTE FUNCTION keep_an_owner();
"""


def upgrade() -> None:
    """Apply this revision; it locks the tables in the same order as the service's transactions."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
