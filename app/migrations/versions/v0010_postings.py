"""Postings with their texts and search columns, statistics for the search planner, and clusters of near-duplicates.

As for users, triggers write to the outbox on every change to postings: the keys of the posting, of the catalogue, and
of the catalogue of each country of the posting before or after the change. A bulk change sets `jobfinder.bulk` to `on`
in its transaction and writes coarser keys itself. Closing a company closes its postings.
"""

from alembic import op
from sqlalchemy import text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE posting_cluster (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id  bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    fingerprint bytea NOT NULL,
    UNIQUE (company_id, fingerprint)
);

COMMENT ON TABLE posting_cluster IS
    'postings that differ in nothing but places; its row is locked by who changes which one is shown';

CREATE TABLE posting (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id         bigint NOT NULL REFERENCES companies ON DELETE CASCADE,
    cluster_id         bigint REFERENCES posting_cluster,
    state              text NOT NULL CHECK (state IN ('draft', 'open', 'closed', 'expired')),
    shown              boolean NOT NULL DEFAULT false CHECK (NOT shown OR state = 'open'),
    strayed            boolean NOT NULL DEFAULT false,
    siblings           int NOT NULL DEFAULT 0,
    version            int NOT NULL DEFAULT 1,
    published_at       timestamptz,
    valid_through      timestamptz NOT NULL,
    first_seen_at      timestamptz NOT NULL DEFAULT now(),
    content_changed_at timestamptz NOT NULL DEFAULT now(),
    taken_down_at      timestamptz,
    salary             int,
    lats               double precision[] NOT NULL DEFAULT '{}',
    lons               double precision[] NOT NULL DEFAULT '{}',
    terms              int[] NOT NULL DEFAULT '{}',
    title_tsv          tsvector NOT NULL DEFAULT '',
    body_tsv           tsvector NOT NULL DEFAULT '',
    CHECK (state = 'draft' OR published_at IS NOT NULL)
) WITH (fillfactor = 85, toast_tuple_target = 256);

ALTER TABLE posting ALTER body_tsv SET STORAGE EXTERNAL, ALTER title_tsv SET STORAGE MAIN, ALTER terms SET STORAGE MAIN,
    ALTER terms SET STATISTICS 1000;

COMMENT ON COLUMN posting.shown IS 'open, and the one of its cluster that searches show';
COMMENT ON COLUMN posting.strayed IS 'changed so that it no longer resembles its cluster: it is shown by itself';
COMMENT ON COLUMN posting.siblings IS 'other open postings of the cluster that this one stands for';
COMMENT ON COLUMN posting.salary IS 'the top of the range by the year in euros, of which searches and sorts know';
COMMENT ON COLUMN posting.terms IS 'every value that can be filtered by, as app/jobs/codes/terms.py numbers them';
COMMENT ON COLUMN posting.title_tsv IS 'words (weight A) and stems of the title with their positions';
COMMENT ON COLUMN posting.body_tsv IS 'words and stems of all texts, without positions';

CREATE INDEX posting_words ON posting USING gin (title_tsv, body_tsv, terms) WITH (fastupdate = off) WHERE shown;
CREATE INDEX posting_published ON posting (published_at DESC, id DESC) WHERE shown;
CREATE INDEX posting_salary ON posting (salary DESC, published_at DESC, id DESC) WHERE shown AND salary IS NOT NULL;
CREATE INDEX posting_company ON posting (company_id, id);
CREATE INDEX posting_cluster_members ON posting (cluster_id) WHERE state = 'open';
CREATE INDEX posting_expiry ON posting (valid_through) WHERE state = 'open';

CREATE TABLE posting_text (
    posting_id  bigint PRIMARY KEY REFERENCES posting ON DELETE CASCADE,
    title       text NOT NULL,
    description text NOT NULL,
    detail      json NOT NULL
);

COMMENT ON COLUMN posting_text.description IS 'HTML that has been cleaned';
COMMENT ON COLUMN posting_text.detail IS 'everything else that its company says, as app/jobs/schemas.py shapes it';

CREATE SEQUENCE term_number AS int MINVALUE 1 MAXVALUE 134217727;

CREATE TABLE term (
    id      int PRIMARY KEY,
    kind    int NOT NULL,
    country text NOT NULL DEFAULT '',
    name    text COLLATE "C" NOT NULL,
    label   text NOT NULL,
    UNIQUE (kind, name, country)
);

COMMENT ON TABLE term IS 'the numbers of skills, regions and cities; those of other values are computed';
COMMENT ON COLUMN term.label IS 'as it was spelled first';

CREATE TABLE term_count (
    term int PRIMARY KEY,
    df   int NOT NULL
);

COMMENT ON TABLE term_count IS 'postings that are shown with each term, some minutes old; term 0 counts all';

CREATE TABLE lexicon (
    term     text COLLATE "C" PRIMARY KEY,
    df       int NOT NULL,
    title_df int NOT NULL,
    word_df  int NOT NULL
);

COMMENT ON TABLE lexicon IS
    'postings that are shown with each lexeme, in their texts and titles; estimated from the newest';
COMMENT ON COLUMN lexicon.word_df IS 'postings with it as a word of their title, which corrections may propose';

CREATE INDEX lexicon_alike ON lexicon USING gin (term gin_trgm_ops) WHERE word_df > 0;

CREATE TABLE search_upkeep (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    counted_at timestamptz NOT NULL DEFAULT '-infinity'
);

COMMENT ON COLUMN search_upkeep.counted_at IS 'when a worker last undertook to count anew';

INSERT INTO search_upkeep DEFAULT VALUES;

CREATE INDEX companies_by_name ON companies (lower(name) text_pattern_ops) WHERE closed_at IS NULL;

CREATE FUNCTION catalogue_keys(terms int[]) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT CASE number WHEN 7 << 27 THEN 'catalogue:anywhere'
               ELSE 'catalogue:' || chr(65 + number % (1 << 27) / 26) || chr(65 + number % (1 << 27) % 26) END
      FROM unnest(terms) AS number WHERE number >> 27 IN (4, 7)
     UNION ALL SELECT 'catalogue'
$$;

COMMENT ON FUNCTION catalogue_keys(int[]) IS 'keys of searches that a posting with these numbers may be found by';

CREATE FUNCTION note_posting() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key)
    SELECT 'job:' || COALESCE(OLD.id, NEW.id)
     UNION ALL
    SELECT key FROM catalogue_keys(OLD.terms || NEW.terms) AS key WHERE OLD.state = 'open' OR NEW.state = 'open';
    RETURN NULL;
END $$;

COMMENT ON FUNCTION note_posting() IS
    'what is remembered of the posting, and of searches that it may be found by, no longer holds';

CREATE FUNCTION note_every_posting() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key)
    SELECT 'job:' || id FROM posting
     UNION SELECT catalogue_keys(terms) FROM posting WHERE state = 'open';
    RETURN NULL;
END $$;

CREATE FUNCTION close_postings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    UPDATE posting SET state = 'closed', shown = false, version = version + 1
     WHERE company_id = NEW.id AND state = 'open';
    RETURN NULL;
END $$;

COMMENT ON FUNCTION close_postings() IS 'a company that is no longer there offers nothing';

CREATE TRIGGER posting_added AFTER INSERT ON posting FOR EACH ROW
    WHEN (NEW.state = 'open' AND current_setting('jobfinder.bulk', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION note_posting();
CREATE TRIGGER posting_changed AFTER UPDATE ON posting FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.* AND current_setting('jobfinder.bulk', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION note_posting();
CREATE TRIGGER posting_deleted AFTER DELETE ON posting FOR EACH ROW
    WHEN (current_setting('jobfinder.bulk', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION note_posting();
CREATE TRIGGER postings_truncated BEFORE TRUNCATE ON posting EXECUTE FUNCTION note_every_posting();
CREATE TRIGGER company_closed AFTER UPDATE ON companies FOR EACH ROW
    WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL) EXECUTE FUNCTION close_postings();
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
