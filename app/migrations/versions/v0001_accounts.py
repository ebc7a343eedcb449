"""Users, their sessions, the outbox of changes that are not yet published, and the audit log."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = """
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         citext NOT NULL UNIQUE,
    password_hash bytea NOT NULL,
    name          text NOT NULL,
    headline      text NOT NULL DEFAULT '',
    token_epoch   int NOT NULL DEFAULT 0,
    version       int NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);

COMMENT ON COLUMN users.token_epoch IS 'raising it ends every session of the user at once';
COMMENT ON COLUMN users.version IS 'counts changes of the profile, for If-Match';

CREATE TABLE sessions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id         bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    epoch           int NOT NULL,
    family          bytea NOT NULL CHECK (octet_length(family) = 16),
    refresh_counter int NOT NULL DEFAULT 0,
    refresh_hash    bytea NOT NULL,
    rotated_at      timestamptz,
    agent           text NOT NULL DEFAULT '',
    address         inet,
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_seen_at    timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz
) WITH (fillfactor = 80);

CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

COMMENT ON COLUMN sessions.epoch IS 'users.token_epoch at its start; the session is live only while they are equal';
COMMENT ON COLUMN sessions.refresh_hash IS 'SHA-256 of the present refresh token''s MAC';

CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key        text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE outbox IS 'changes that are committed and not yet known to be published to every worker';

CREATE TABLE audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    event      text NOT NULL,
    user_id    bigint,
    session_id bigint,
    address    inet,
    agent      text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    detail     jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX audit_log_user_id_at ON audit_log (user_id, at);

COMMENT ON COLUMN audit_log.user_id IS 'no foreign key: what happened outlives the account';

CREATE TABLE service_identity (
    singleton          boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    pepper_fingerprint bytea NOT NULL,
    key_fingerprints   jsonb NOT NULL DEFAULT '{}',
    created_at         timestamptz NOT NULL DEFAULT now()
);
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
