"""Mails name the account that they are about, so that they are deleted with it wherever they were to go."""

from alembic import op
from sqlalchemy import text

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# A task that is deleted while a worker does it is no longer that worker's, which so neither repeats nor keeps it.
SQL = """
CREATE OR REPLACE FUNCTION erase_address() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    DELETE FROM procrastinate_jobs
     WHERE (task_name = 'mail.send' AND (
               args->'account' = to_jsonb(OLD.id)
               OR (args->'mail'->>'to' = OLD.email::text
                   AND (OLD.verified_at IS NOT NULL OR args->'mail'->>'kind' <> 'invite'))))
        OR (task_name = 'accounts.recover' AND args->>'email' = OLD.email::text);
    DELETE FROM account_links
     WHERE email = OLD.email::text AND purpose = 'invite' AND OLD.verified_at IS NOT NULL;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    """Apply this revision."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    op.execute(SQL.replace("{schema}", schema))
