"""Applications of candidates with their history and notes, and results of requests that may be repeated.

Everything about a candidate goes with the account; what others did stays without their names.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE application (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    posting_id   bigint NOT NULL REFERENCES posting ON DELETE CASCADE,
    candidate_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    stage        text NOT NULL DEFAULT 'submitted' CHECK (stage IN
        ('submitted', 'reviewed', 'shortlisted', 'interview', 'offered', 'hired', 'rejected', 'withdrawn')),
    version      int NOT NULL DEFAULT 1,
    letter       text NOT NULL,
    answers      json NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (posting_id, candidate_id)
);

CREATE INDEX application_of_candidate ON application (candidate_id, id);
CREATE INDEX application_of_posting ON application (posting_id, id);

COMMENT ON COLUMN application.answers IS 'with the questions as they were asked';

CREATE TABLE application_step (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id bigint NOT NULL REFERENCES application ON DELETE CASCADE,
    stage          text NOT NULL,
    by_candidate   boolean NOT NULL,
    actor_id       bigint REFERENCES users ON DELETE SET NULL,
    at             timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX application_step_of ON application_step (application_id, id);
CREATE INDEX application_step_actor ON application_step (actor_id);

COMMENT ON TABLE application_step IS 'every stage that an application has had';
COMMENT ON COLUMN application_step.actor_id IS 'NULL: the account was deleted';

CREATE TABLE application_note (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    application_id bigint NOT NULL REFERENCES application ON DELETE CASCADE,
    author_id      bigint REFERENCES users ON DELETE SET NULL,
    text           text NOT NULL,
    at             timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX application_note_of ON application_note (application_id, id);
CREATE INDEX application_note_author ON application_note (author_id);

COMMENT ON TABLE application_note IS 'for members of the company only; a candidate never sees them';

CREATE TABLE repeatable_request (
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    key        text COLLATE "C" NOT NULL,
    hash       bytea NOT NULL,
    status     int NOT NULL,
    answer     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);

CREATE INDEX repeatable_request_age ON repeatable_request (created_at);

COMMENT ON TABLE repeatable_request IS 'answers to requests with an Idempotency-Key, kept for 24 hours';
COMMENT ON COLUMN repeatable_request.hash IS 'of the request; another one with this key is refused';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
