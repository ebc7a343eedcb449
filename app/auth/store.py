"""SQL of accounts and sessions; each security event is logged in the statement that causes it.

A session is live while its row exists, is not revoked, has not expired, is younger than the maximum age (however often
it was refreshed), and has the `token_epoch` of its user: raising the epoch ends every session of the user at once.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from app.auth.links import store as links
from app.auth.records import Account, Asked, Family, Found, Opened
from app.auth.schemas import Client, Registration, Session, SessionFact
from app.infra.addresses import canonical_address
from app.infra.background.afterwards import Afterwards
from app.infra.postgres.database import Database, Statement, Transaction
from app.users.schemas import User
from app.users.store import user_columns, user_from_row, utc

ENDS_AT = "least(s.expires_at, s.created_at + make_interval(secs => {in_all}))"
LIVE_WITHIN = f"s.revoked_at IS NULL AND {ENDS_AT} > now() AND s.epoch = u.token_epoch"
_LIVE = LIVE_WITHIN.format(in_all="%s")

FIND_SESSION = Statement(
    "find_session",
    ("bigint", "float8"),
    f"""
SELECT extract(epoch FROM {ENDS_AT.format(in_all="$2")})::float8, extract(epoch FROM s.last_seen_at)::float8,
       {user_columns("u")}
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.id = $1 AND {LIVE_WITHIN.format(in_all="$2")}
""",
    readonly=True,
)

FIND_ACCOUNT = Statement(
    "find_account",
    ("text", "text"),
    """
SELECT (SELECT substring(password_hash, 5, 2) FROM users ORDER BY substring(password_hash, 5, 2) DESC LIMIT 1),
       u.id, u.password_hash, u.token_epoch, u.disabled_at IS NOT NULL, EXISTS (
           SELECT FROM login_networks n
            WHERE n.user_id = u.id AND n.network = $2 AND n.last_login_at > now() - interval '30 days')
  FROM (SELECT) AS always LEFT JOIN users u ON u.email = $1::citext AND u.email::text = $1
""",
    readonly=True,
)

FIND_ACCOUNT_BY_ID = "SELECT id, password_hash, token_epoch FROM users WHERE id = %s"

INSERT_ACCOUNT = f"""
WITH account AS (
    INSERT INTO users (email, password_hash, name, language, verified_at)
    VALUES (%s, %s, %s, %s, CASE WHEN %s THEN now() END) ON CONFLICT (email) DO NOTHING
    RETURNING {user_columns()}
), audited AS (
    INSERT INTO audit_log (event, user_id, agent, address, request_id)
    SELECT 'registered', id, %s, %s::inet, %s FROM account
)
SELECT * FROM account
"""

OPEN_SESSION = Statement(
    "open_session",
    ("bigint", "int", "bytea", "bytea", "float8", "text", "inet", "text", "text"),
    f"""
WITH account AS (
    SELECT {user_columns()}, token_epoch FROM users WHERE id = $1 AND token_epoch = $2 FOR SHARE
), opened AS (
    INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at, agent, address)
    SELECT id, token_epoch, $3, $4, now() + make_interval(secs => $5), $6, $7 FROM account
    RETURNING id, extract(epoch FROM expires_at)::float8 AS expires_at, extract(epoch FROM last_seen_at)::float8 AS seen
), audited AS (
    INSERT INTO audit_log (event, user_id, session_id, agent, address, request_id)
    SELECT 'logged_in', $1, id, $6, $7, $8 FROM opened
), known AS (
    INSERT INTO login_networks (user_id, network) SELECT id, $9 FROM account WHERE $9 <> ''
        ON CONFLICT (user_id, network) DO UPDATE SET last_login_at = now()
     WHERE login_networks.last_login_at < now() - interval '1 day'
), forgotten AS (
    DELETE FROM login_networks WHERE user_id = $1 AND network <> $9 AND network IN (
        SELECT network FROM login_networks WHERE user_id = $1 ORDER BY last_login_at DESC, network OFFSET 99)
)
SELECT opened.id, opened.expires_at, opened.seen,
       (SELECT count(*) FROM sessions s
         WHERE s.user_id = $1 AND s.epoch = $2 AND s.revoked_at IS NULL AND s.expires_at > now()),
       {user_columns("account")}
  FROM opened, account
""",
)

REPLACE_HASH = "UPDATE users SET password_hash = %s WHERE id = %s AND password_hash = %s"

# After waiting for a row lock, PostgreSQL re-reads the locked row but not the rows joined to it (EvalPlanQual). So one
# statement takes the lock, and a second one reads both tables.
LOCK_SESSION = "SELECT 1 FROM sessions WHERE id = %s FOR UPDATE"

FIND_FAMILY = f"""
SELECT s.user_id, s.family, s.refresh_counter, s.refresh_hash,
       CASE WHEN s.rotations_at = s.refresh_counter THEN ARRAY(
           SELECT extract(epoch FROM clock_timestamp() - t)::float8 FROM unnest(s.rotations) WITH ORDINALITY AS _ (t, n)
            ORDER BY n) ELSE '{{}}' END AS ages, ({_LIVE}) AS live
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.id = %s
"""

FIND_OWNER = "SELECT user_id, family FROM sessions WHERE id = %s"

ROTATE = """
WITH rotated AS (
    UPDATE sessions SET refresh_counter = refresh_counter + 1, refresh_hash = %s, rotated_at = clock_timestamp(),
           rotations = clock_timestamp() || CASE WHEN rotations_at = refresh_counter THEN rotations[:19] ELSE '{}' END,
           rotations_at = refresh_counter + 1,
           last_seen_at = now(),
           expires_at = least(now() + make_interval(secs => %s), created_at + make_interval(secs => %s))
     WHERE id = %s RETURNING id, user_id
)
INSERT INTO audit_log (event, user_id, session_id, agent, address, request_id)
SELECT 'refreshed', user_id, id, %s, %s::inet, %s FROM rotated
"""

REVOKE_SESSION = """
WITH found AS (
    SELECT id FROM sessions WHERE id = %s AND user_id = %s
), revoked AS (
    UPDATE sessions s SET revoked_at = now() FROM found WHERE s.id = found.id AND s.revoked_at IS NULL
    RETURNING s.id, s.user_id
), audited AS (
    INSERT INTO audit_log (event, user_id, session_id, agent, address, request_id)
    SELECT %s, user_id, id, %s, %s::inet, %s FROM revoked RETURNING pg_current_xact_id()::text AS xid
)
SELECT (SELECT xid FROM audited) FROM found
"""

LOCK_USER = "SELECT 1 FROM users WHERE id = %s FOR UPDATE"

COUNT_LIVE = f"""
SELECT count(*) FILTER (WHERE s.id = %s), count(*)
  FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = %s AND {_LIVE}
"""

RAISE_EPOCH = """
WITH raised AS (
    UPDATE users SET token_epoch = token_epoch + 1, password_hash = COALESCE(%s::bytea, password_hash)
     WHERE id = %s AND password_hash = COALESCE(%s::bytea, password_hash) RETURNING id, token_epoch
), audited AS (
    INSERT INTO audit_log (event, user_id, session_id, agent, address, request_id)
    SELECT %s, id, %s, %s, %s::inet, %s FROM raised
)
SELECT token_epoch, pg_current_xact_id()::text FROM raised
"""

KEEP_SESSION = "UPDATE sessions SET epoch = %s WHERE id = %s AND user_id = %s AND epoch = %s AND revoked_at IS NULL"

LIST_SESSIONS = f"""
SELECT s.id, s.created_at, s.last_seen_at, s.agent, host(s.address), s.id = %s
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.user_id = %s AND {_LIVE} AND (%s IS NULL OR s.id < %s AND s.id <> %s)
 ORDER BY s.id = %s DESC, s.id DESC LIMIT %s
"""

# SKIP LOCKED: another transaction is ending or using such a session right now.
END_LEAST_USED = f"""
WITH beyond AS (
    SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.user_id = %s AND {_LIVE} ORDER BY s.id = %s DESC, s.last_seen_at DESC, s.id DESC OFFSET %s
), taken AS (
    SELECT id FROM sessions WHERE id IN (SELECT id FROM beyond) AND revoked_at IS NULL FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE sessions SET revoked_at = now() WHERE id IN (SELECT id FROM taken) RETURNING id, user_id
)
INSERT INTO audit_log (event, user_id, session_id, agent, address, request_id)
SELECT 'session_displaced', user_id, id, %s, %s::inet, %s FROM ended RETURNING pg_current_xact_id()::text
"""

TOUCH_SESSION = "UPDATE sessions SET last_seen_at = now() WHERE id = %s AND last_seen_at < now() - interval '1 minute'"

DELETE_ACCOUNT = """
WITH gone AS (
    DELETE FROM users WHERE id = %s AND password_hash = %s AND version = COALESCE(%s::int, version) RETURNING id
)
INSERT INTO audit_log (event, user_id, session_id, agent, address, request_id)
SELECT 'account_deleted', id, %s, %s, %s::inet, %s FROM gone RETURNING pg_current_xact_id()::text
"""

PREPARED = (FIND_SESSION, FIND_ACCOUNT, OPEN_SESSION)


@dataclass(frozen=True, slots=True)
class SessionLife:
    """How long a session lives, in seconds: after its last refresh, and in total."""

    since_refresh: float
    in_all: float


class AuthStore:
    """Each method is one statement, or one step of the given transaction."""

    def __init__(self, database: Database, afterwards: Afterwards, life: SessionLife) -> None:
        self._database, self._afterwards, self._life = database, afterwards, life

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self._database.transaction()

    def find_session(self, session_id: int) -> Found | None:
        row = self._database.one(FIND_SESSION, session_id, self._life.in_all)
        return None if row is None else Found(SessionFact(row[2], row[0], row[1]), user_from_row(row[2:]))

    def find_account(self, email: str, network: str) -> Asked:
        greatest, *row, familiar = self._database.one(FIND_ACCOUNT, email, network) or (None, None, False)
        account = None if row[0] is None else Account(row[0], bytes(row[1]), row[2], row[3])
        return Asked(account, int(bytes(greatest)) if greatest else 0, familiar)

    def find_account_by_id(self, user_id: int) -> Account | None:
        row = self._database.one(FIND_ACCOUNT_BY_ID, user_id)
        return None if row is None else Account(row[0], bytes(row[1]), row[2])

    def insert_account(
        self, new: Registration, password_hash: bytes, client: Client, unverified: Transaction | None = None
    ) -> User | None:
        """The new user, or None if the address is taken; within a transaction it is `unverified`."""
        values = (new.email, password_hash, new.name, new.language, unverified is None, *client.origin)
        row = (unverified or self._database).one(INSERT_ACCOUNT, *values)
        return None if row is None else user_from_row(row)

    def open_session(
        self, account: Account, token: tuple[bytes, bytes], client: Client, network: str,
        transaction: Transaction | None = None,
    ) -> Opened | None:  # fmt: skip
        """`token` is (family, hash). Returns None if the account's epoch has changed since it was read."""
        seconds = min(self._life.since_refresh, self._life.in_all)
        row = (transaction or self._database).one(
            OPEN_SESSION, account.id, account.epoch, *token, seconds, *client.origin, network
        )  # fmt: skip
        return (
            None if row is None else Opened(row[0], SessionFact(row[4], row[1], row[2]), user_from_row(row[4:]), row[3])
        )

    def replace_hash(self, user_id: int, old: bytes, new: bytes) -> None:
        self._database.run(REPLACE_HASH, new, user_id, old)

    def end_least_used(self, user_id: int, session_id: int, keep: int, client: Client) -> str | None:
        """Keep `session_id` and the most recently used, `keep` in all; end the others. Returns the transaction's id."""
        row = self._database.one(
            END_LEAST_USED, user_id, self._life.in_all, session_id, keep, *client.origin
        )  # fmt: skip
        return _first(row)

    def list_sessions(self, user_id: int, current: int, after: int | None, limit: int) -> list[Session]:
        """Live sessions after `after`: the current one first, then by descending id."""
        place = (after, after, current, current, limit)
        rows = self._database.all(LIST_SESSIONS, current, user_id, self._life.in_all, *place)
        return [
            Session(row[0], utc(row[1]), utc(row[2]), row[3], canonical_address(row[4] or ""), row[5]) for row in rows
        ]

    def touch_session(self, session_id: int) -> None:
        """Update `last_seen_at` in the background; only the owner sees it, so it is not published to other workers."""
        self._afterwards.do(self._database.run, TOUCH_SESSION, session_id)

    def find_owner(self, session_id: int) -> tuple[int, bytes] | None:
        """(user id, family) of a session, live or not."""
        row = self._database.one(FIND_OWNER, session_id)
        return None if row is None else (row[0], bytes(row[1]))

    def revoke_session(self, user_id: int, session_id: int, event: str, client: Client) -> tuple[bool, str | None]:
        """(whether the user has such a session, the transaction's id if this call revoked it)."""
        row = self._database.one(REVOKE_SESSION, session_id, user_id, event, *client.origin)
        return row is not None, _first(row)

    def delete_account(
        self, account: Account, session_id: int, version: int | None, client: Client
    ) -> str | None:  # fmt: skip
        """The transaction's id; None if the password has changed, or the profile is no longer at `version`."""
        what = (account.id, account.password_hash, version, session_id)
        return _first(self._database.one(DELETE_ACCOUNT, *what, *client.origin))

    def lock_family(self, transaction: Transaction, session_id: int) -> Family | None:
        transaction.one(LOCK_SESSION, session_id)
        row = transaction.one(FIND_FAMILY, self._life.in_all, session_id)
        return None if row is None else Family(row[0], bytes(row[1]), row[2], bytes(row[3]), row[4], row[5])

    def rotate(self, transaction: Transaction, session_id: int, token_hash: bytes, client: Client) -> None:
        life = self._life
        transaction.run(ROTATE, token_hash, life.since_refresh, life.in_all, session_id, *client.origin)

    def live_sessions(self, transaction: Transaction, user_id: int, session_id: int) -> tuple[bool, bool]:
        """(whether this session is live, whether any of the user is); locks the user's row against logins."""
        transaction.one(LOCK_USER, user_id)
        row = transaction.one(COUNT_LIVE, session_id, user_id, self._life.in_all)
        return (False, False) if row is None else (row[0] > 0, row[1] > 0)

    def revoke_within(
        self, transaction: Transaction, user_id: int, session_id: int, event: str, client: Client
    ) -> str | None:
        """The transaction's id if this call revoked the session."""
        return _first(transaction.one(REVOKE_SESSION, session_id, user_id, event, *client.origin))

    def raise_epoch(
        self, transaction: Transaction, user_id: int, session_id: int | None, event: str, client: Client,
        password: tuple[bytes, bytes | None] | None = None,
    ) -> tuple[int, str] | None:  # fmt: skip
        """End all sessions and links; returns (new epoch, transaction id), or None if the old hash is no longer stored.

        `password` is (new hash, old hash).
        """
        new, old = password or (None, None)
        row = transaction.one(RAISE_EPOCH, new, user_id, old, event, session_id, *client.origin)
        links.drop(transaction, user_id, keep=("verify",))
        return None if row is None else (row[0], row[1])

    def keep_session(self, transaction: Transaction, user_id: int, session_id: int, epoch: int) -> None:
        """Move one live session to the new epoch, so that it does not end."""
        transaction.run(KEEP_SESSION, epoch, session_id, user_id, epoch - 1)


def _first(row: tuple[Any, ...] | None) -> str | None:
    return None if row is None or row[0] is None else str(row[0])
