"""Converts addresses to their canonical form, by which the service looks them up.

Earlier versions of the service accept only ASCII addresses and keep their upper case. A trigger converts these to lower
case while pods of earlier versions still run; the unique citext column stays as those versions need it.
"""

import json
import logging
import string

from alembic import op
from sqlalchemy import Connection, text

from app.users.email import canonical_email

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)
BATCH = 5_000
CANONICAL = r"^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9.-]+$"

TRIGGER = f"""
CREATE FUNCTION users_email_canonical() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.email := translate(NEW.email::text, '{string.ascii_uppercase}', '{string.ascii_lowercase}');
    RETURN NEW;
END $body$;

CREATE TRIGGER users_email_canonical BEFORE INSERT OR UPDATE OF email ON users
    FOR EACH ROW EXECUTE FUNCTION users_email_canonical();
"""

LIST_OTHERS = """
SELECT id, email::text FROM users WHERE id > :after AND email::text COLLATE "C" !~ :canonical ORDER BY id LIMIT :batch
"""

# Of several accounts with one canonical address, the one whose address equals it by citext gets it, else the oldest.
RENAME = """
WITH wanted AS (
    SELECT DISTINCT ON (given.email) id, given.email
      FROM unnest(CAST(:ids AS bigint[]), CAST(:emails AS text[])) AS given (id, email) JOIN users USING (id)
     ORDER BY given.email, users.email = given.email::citext DESC, id
)
UPDATE users SET email = wanted.email::citext, version = version + 1, updated_at = now()
  FROM wanted
 WHERE users.id = wanted.id
   AND NOT EXISTS (SELECT FROM users u WHERE u.email = wanted.email::citext AND u.id <> wanted.id)
RETURNING users.id
"""

AUDIT = "INSERT INTO audit_log (event, user_id, detail) VALUES ('email_not_canonical', :id, CAST(:detail AS jsonb))"


def upgrade() -> None:
    """Apply this revision; the trigger comes first, so that no new address with upper case is stored."""
    connection = op.get_bind()
    op.execute(TRIGGER)
    for user_id, email, reason in rename_all(connection):
        log.warning("account %d keeps the address %s and cannot log in with it: %s", user_id, email, reason)
        detail = json.dumps({"email": email, "reason": reason})
        connection.execute(text(AUDIT), {"id": user_id, "detail": detail})


def rename_all(connection: Connection) -> list[tuple[int, str, str]]:
    """Make every address canonical; returns (id, address, reason) for each account that keeps its address."""
    left, after = [], 0
    while rows := connection.execute(
        text(LIST_OTHERS), {"after": after, "canonical": CANONICAL, "batch": BATCH}
    ).fetchall():
        left += _rename([(row[0], row[1]) for row in rows], connection)
        after = rows[-1][0]
    return left


def _rename(rows: list[tuple[int, str]], connection: Connection) -> list[tuple[int, str, str]]:
    wanted: dict[int, str] = {}
    left: list[tuple[int, str, str]] = []
    for user_id, email in rows:
        try:
            wanted[user_id] = canonical_email(email)
        except ValueError as error:
            left.append((user_id, email, f"it {error}"))
    given = {"ids": list(wanted), "emails": list(wanted.values())}
    renamed = {row[0] for row in connection.execute(text(RENAME), given)}
    old = dict(rows)
    return left + [
        (user_id, old[user_id], f"another account has {email}")
        for user_id, email in wanted.items()
        if user_id not in renamed
    ]
