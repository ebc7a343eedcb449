"""When postings ended, after which their applications are kept for a time, and erasure of what names a deleted account.

Foreign keys remove what belongs to an account. The trigger removes what names it by its address: waiting and failed
mails and, if the address is proven, invitations to it.
"""

from alembic import op
from sqlalchemy import text

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE posting ADD COLUMN ended_at timestamptz;

COMMENT ON COLUMN posting.ended_at IS 'when it was last closed or expired; NULL: never, or before this was recorded';

CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_at := LEAST(now(), NEW.valid_through);
    RETURN NEW;
END $$;

CREATE TRIGGER posting_ended BEFORE UPDATE OF state ON posting FOR EACH ROW
    WHEN (OLD.state = 'open' AND NEW.state <> 'open') EXECUTE FUNCTION note_end();

CREATE INDEX application_age ON application (created_at);

CREATE FUNCTION erase_address() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    DELETE FROM procrastinate_jobs
     WHERE status <> 'doing' AND (
           (task_name = 'mail.send' AND args->'mail'->>'to' = OLD.email::text
            AND (OLD.verified_at IS NOT NULL OR args->'mail'->>'kind' <> 'invite'))
           OR (task_name = 'accounts.recover' AND args->>'email' = OLD.email::text));
    DELETE FROM account_links
     WHERE email = OLD.email::text AND purpose = 'invite' AND OLD.verified_at IS NOT NULL;
    RETURN NULL;
END $$;

COMMENT ON FUNCTION erase_address() IS 'nothing that waits to be sent names a deleted account';

CREATE TRIGGER user_erased AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION erase_address();
"""


def upgrade() -> None:
    """Apply this revision; the new column needs no rewriting of the table."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
