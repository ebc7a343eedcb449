"""Triggers note the keys of searches when another table changes what they show, and fewer keys for many postings.

- A company that becomes verified, or no longer is, may be found by other searches than before.
- Texts of a posting are shown by searches that find it.
- Closing a company notes the searches that found its postings once, instead of each posting: what is remembered of a
  posting rests on its company's key, too.
"""

from alembic import op
from sqlalchemy import text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SQL = """
CREATE OR REPLACE FUNCTION note_company() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key) VALUES ('company:' || OLD.id);
    IF TG_OP = 'UPDATE' AND OLD.verified IS DISTINCT FROM NEW.verified THEN
        INSERT INTO outbox (key) SELECT DISTINCT catalogue_keys(terms) FROM posting WHERE company_id = OLD.id AND shown;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION note_text() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    INSERT INTO outbox (key)
    SELECT 'job:' || NEW.posting_id
     UNION
    SELECT catalogue_keys(terms) FROM posting WHERE id = NEW.posting_id AND state = 'open';
    RETURN NULL;
END $$;

COMMENT ON FUNCTION note_text() IS 'what is remembered of the posting, and of searches that show it, no longer holds';

CREATE TRIGGER text_changed AFTER UPDATE ON posting_text FOR EACH ROW
    WHEN ((OLD.posting_id, OLD.title, OLD.description, OLD.detail::text)
          IS DISTINCT FROM (NEW.posting_id, NEW.title, NEW.description, NEW.detail::text)
          AND current_setting('jobfinder.bulk', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION note_text();

CREATE OR REPLACE FUNCTION close_postings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    bulk text := COALESCE(current_setting('jobfinder.bulk', true), 'off');
BEGIN
    INSERT INTO outbox (key)
    SELECT DISTINCT catalogue_keys(terms) FROM posting WHERE company_id = NEW.id AND state = 'open';
    PERFORM set_config('jobfinder.bulk', 'on', true);
    UPDATE posting SET state = 'closed', shown = false, version = version + 1
     WHERE company_id = NEW.id AND state = 'open';
    PERFORM set_config('jobfinder.bulk', bulk, true);
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
