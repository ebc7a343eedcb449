"""SQL of links; a link about an account works only while the account has the address to which it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.auth.links.tokens import Bound, Purpose
from app.infra.postgres.database import Database, Transaction

_KEEPS_ADDRESS = """(l.purpose NOT IN ('verify', 'recover') OR EXISTS (
    SELECT FROM users u WHERE u.id = l.user_id AND u.email::text = l.email AND u.disabled_at IS NULL))"""

# At most some links an hour for one purpose and address: others get no mail, and no answer that says so.
INSERT_LINK = """
INSERT INTO account_links (purpose, user_id, email, nonce, token_hash, company_id, role, expires_at)
SELECT %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s)
 WHERE (SELECT count(*) FROM account_links
         WHERE email = %s AND purpose = %s AND created_at > now() - interval '1 hour') < %s
   AND (SELECT count(*) FROM account_links
         WHERE user_id = %s AND purpose = %s AND created_at > now() - interval '1 hour') < %s
RETURNING id
"""

_COLUMNS = "l.id, l.purpose, l.user_id, l.email, l.nonce, l.company_id, l.role, l.token_hash"
_WORKS = f"l.used_at IS NULL AND l.expires_at > now() AND {_KEEPS_ADDRESS}"

FIND_LINK = f"SELECT {_COLUMNS} FROM account_links l WHERE l.id = %s AND {_WORKS}"

TAKE_LINK = f"UPDATE account_links l SET used_at = now() WHERE l.id = %s AND {_WORKS}"

# Whoever changes an account and its links locks the account first. An invitation is about its inviter's account, which
# it does not change.
LOCK_ACCOUNT = "SELECT FROM users WHERE id = %s FOR NO KEY UPDATE"

# The rows stay: INSERT_LINK counts them. No transaction that uses a link has begun before `created_at`.
END_LINKS = """
UPDATE account_links SET expires_at = created_at WHERE user_id = %s AND used_at IS NULL AND purpose <> ALL(%s)
"""

END_INVITATIONS = """
UPDATE account_links SET expires_at = created_at WHERE purpose = 'invite' AND used_at IS NULL AND company_id = %s
   AND email = (SELECT email::text FROM users WHERE id = %s)
"""

PRUNE_LINKS = """
DELETE FROM account_links WHERE id IN (
    SELECT id FROM account_links WHERE expires_at < now() - interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that works; `company_id` and `role` are those of an invitation."""

    id: int
    bound: Bound
    company_id: int | None
    role: str | None
    token_hash: bytes


class LinkStore:
    """Reads links outside transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, link_id: int) -> Link | None:
        return _link(self._database.one(FIND_LINK, link_id))

    def prune(self) -> int:
        """Delete up to 1,000 links that expired more than a day ago; returns how many."""
        return self._database.run(PRUNE_LINKS)


def insert(
    transaction: Transaction, bound: Bound, token_hash: bytes, seconds: int, most: tuple[int, int],
    company: tuple[int, str] | None = None,
) -> int | None:  # fmt: skip
    """The new link's id; None if `most` links of this purpose exist within an hour, for the address and the account."""
    company_id, role = company or (None, None)
    values: tuple[Any, ...] = (bound.purpose, bound.user_id, bound.email, bound.nonce, token_hash, company_id, role)
    bounds = (bound.email, bound.purpose, most[0], bound.user_id, bound.purpose, most[1])
    row = transaction.one(INSERT_LINK, *values, seconds, *bounds)
    return None if row is None else int(row[0])


def take(transaction: Transaction, link: Link) -> bool:
    """Use the link; False if it does not work any more, as when another request has used it."""
    if link.bound.purpose != "invite":
        transaction.one(LOCK_ACCOUNT, link.bound.user_id)
    return transaction.run(TAKE_LINK, link.id) == 1


def drop(transaction: Transaction, user_id: int, keep: Sequence[Purpose] = ()) -> None:
    """End every unused link about the account, and its invitations; those for the purposes `keep` stay.

    A statement of its own after the one that locks the account also finds links whose transaction held that lock.
    """
    transaction.run(END_LINKS, user_id, list(keep))


def end_invitations(transaction: Transaction, company_id: int | None, user_id: int) -> None:
    """End every unused invitation of the account to the company."""
    transaction.run(END_INVITATIONS, company_id, user_id)


def _link(row: tuple[Any, ...] | None) -> Link | None:
    if row is None:
        return None
    purpose: Purpose = row[1]
    return Link(row[0], Bound(purpose, row[2], row[3], bytes(row[4])), row[5], row[6], bytes(row[7]))
