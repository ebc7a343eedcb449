"""Where imported postings come from, and the runs of full feeds."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE posting_origin (
    company_id  bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    source      text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    posting_id  bigint NOT NULL UNIQUE REFERENCES posting ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    hash        bytea NOT NULL,
    dated       boolean NOT NULL,
    PRIMARY KEY (company_id, source, external_id)
);

COMMENT ON TABLE posting_origin IS 'postings that are imported: the name of each in the system of its company';
COMMENT ON COLUMN posting_origin.hash IS 'of the line that the posting was last written from';
COMMENT ON COLUMN posting_origin.dated IS 'whether that line said until when; if not, an import extends it';

CREATE TABLE feed_run (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    source     text COLLATE "C" NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'committing', 'committed', 'ended', 'abandoned')),
    started_at timestamptz NOT NULL DEFAULT now(),
    active_at  timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    created    int NOT NULL DEFAULT 0,
    changed    int NOT NULL DEFAULT 0,
    unchanged  int NOT NULL DEFAULT 0,
    refused    int NOT NULL DEFAULT 0,
    unnamed    int NOT NULL DEFAULT 0,
    closed     int NOT NULL DEFAULT 0
);

COMMENT ON TABLE feed_run IS 'imports of everything that a source has; a commit closes what the run did not name';
COMMENT ON COLUMN feed_run.unnamed IS 'lines that do not tell which posting they are about';

CREATE UNIQUE INDEX feed_run_under_way ON feed_run (company_id, source) WHERE state IN ('open', 'committing');
CREATE INDEX feed_run_latest ON feed_run (company_id, source, id);

CREATE TABLE feed_part (
    run_id   bigint NOT NULL REFERENCES feed_run ON DELETE CASCADE,
    postings bigint[] NOT NULL
);

CREATE INDEX feed_part_run ON feed_part (run_id);

COMMENT ON COLUMN feed_part.postings IS 'postings that lines of the run named, of about 1,000 lines';
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
