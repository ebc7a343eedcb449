"""Addresses of accounts that are proven by mail, settings of accounts, and the links that mails bring.

Every account that exists, and every one that pods of an earlier version register meanwhile, counts as verified: only
this version registers accounts without `verified_at`, and only while mail is configured.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SQL = """
LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE users
    ADD COLUMN verified_at timestamptz DEFAULT now(),
    ADD COLUMN language text,
    ADD COLUMN time_zone text NOT NULL DEFAULT 'UTC',
    ADD COLUMN device_mails boolean NOT NULL DEFAULT true;

CREATE INDEX users_unverified ON users (created_at) WHERE verified_at IS NULL;

COMMENT ON COLUMN users.verified_at IS 'NULL: registered while mail was configured, and the address is not proven yet';
COMMENT ON COLUMN users.language IS 'of mails; NULL: English';
COMMENT ON COLUMN users.device_mails IS 'whether a login from a new network is told by mail';

DROP TRIGGER user_changed ON users;
CREATE TRIGGER user_changed AFTER UPDATE ON users FOR EACH ROW WHEN (
    (OLD.id, OLD.token_epoch, OLD.email::text, OLD.name, OLD.headline, OLD.version, OLD.created_at, OLD.updated_at,
     OLD.verified_at)
    IS DISTINCT FROM
    (NEW.id, NEW.token_epoch, NEW.email::text, NEW.name, NEW.headline, NEW.version, NEW.created_at, NEW.updated_at,
     NEW.verified_at)
) EXECUTE FUNCTION note_user();

CREATE TABLE account_links (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purpose    text NOT NULL CHECK (purpose IN ('verify', 'change', 'recover', 'invite')),
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    email      text NOT NULL,
    nonce      bytea NOT NULL CHECK (octet_length(nonce) = 32),
    token_hash bytea NOT NULL,
    company_id bigint REFERENCES companies ON DELETE CASCADE,
    role       text CHECK (role IN ('owner', 'recruiter')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    CHECK ((purpose = 'invite') = (company_id IS NOT NULL AND role IS NOT NULL))
);

CREATE INDEX account_links_email ON account_links (email, purpose, created_at);
CREATE INDEX account_links_user_id ON account_links (user_id);
CREATE INDEX account_links_company_id ON account_links (company_id);
CREATE INDEX account_links_expires_at ON account_links (expires_at);

COMMENT ON COLUMN account_links.user_id IS 'whose account it is about; of an invitation, who invites';
COMMENT ON COLUMN account_links.email IS 'where it was sent';
COMMENT ON COLUMN account_links.nonce IS 'the token is a MAC of it, whose key is not in the database';
COMMENT ON COLUMN account_links.token_hash IS 'SHA-256 of the token';
"""


def upgrade() -> None:
    """Apply this revision; `now()` is the same in the whole statement, so that no table is rewritten."""
    op.execute(SQL)
