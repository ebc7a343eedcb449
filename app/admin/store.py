"""SQL of administration; each action is logged in the statement that performs it.

A search without an index reads at most LOOKED_AT rows per page. So the cost of a page is bounded however large the
tables are, and other requests do not pay for an index.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.admin.schemas import Account, AuditEntry
from app.auth.links import store as links
from app.auth.schemas import Client
from app.infra.addresses import canonical_address
from app.infra.postgres.database import Database
from app.users.store import from_row, user_columns, utc
from app.web.converters import GREATEST_ID

LOOKED_AT = 50_000

T = TypeVar("T")

IS_ADMIN = "SELECT FROM users WHERE id = %s AND admin"

_ACCOUNT = user_columns(shape=Account)

FIND_ACCOUNT = f"SELECT {_ACCOUNT} FROM users WHERE id = %s"

FIND_ACCOUNT_BY_EMAIL = f"SELECT {_ACCOUNT} FROM users WHERE email = %s::citext AND email::text = %s"

_PAGE = """
WITH looked_at AS MATERIALIZED (
    SELECT {columns} FROM {table} WHERE {place} ORDER BY {order} LIMIT %s
)
SELECT (SELECT count(*) FROM looked_at), (SELECT id FROM looked_at ORDER BY {reverse} LIMIT 1), found.*
  FROM (SELECT) AS always LEFT JOIN (SELECT * FROM looked_at WHERE {condition} ORDER BY {order} LIMIT %s) found ON true
"""

_BY_ID = {"place": "id < %s", "order": "id DESC", "reverse": "id"}

# By the time of the entry whose id is the cursor, as the index is. Once that one is deleted, so are older ones.
_OF_ACCOUNT = {
    "place": """
user_id = %s AND (at, id) < (COALESCE((SELECT at FROM audit_log WHERE id = %s), %s::timestamptz), %s)""",
    "order": "at DESC, id DESC",
    "reverse": "at, id",
}

LIST_ACCOUNTS = _PAGE.format(columns=_ACCOUNT, table="users", condition="name ILIKE %s", **_BY_ID)

_ENTRY = "id, at, event, user_id, actor_id, company_id, session_id, host(address) AS address, agent, request_id, detail"

AUDIT_FILTERS: Mapping[str, str] = {
    "actor_id": "actor_id = %s",
    "company_id": "company_id = %s",
    "event": "event = %s",
}

DISABLE_ACCOUNT = """
WITH disabled AS (
    UPDATE users SET disabled_at = COALESCE(disabled_at, now()), token_epoch = token_epoch + 1 WHERE id = %s
    RETURNING id
), audited AS (
    INSERT INTO audit_log (event, user_id, actor_id, agent, address, request_id)
    SELECT 'account_disabled', id, %s, %s, %s::inet, %s FROM disabled
)
SELECT pg_current_xact_id()::text FROM disabled
"""

ENABLE_ACCOUNT = """
WITH enabled AS (
    UPDATE users SET disabled_at = NULL WHERE id = %s AND disabled_at IS NOT NULL RETURNING id
)
INSERT INTO audit_log (event, user_id, actor_id, agent, address, request_id)
SELECT 'account_enabled', id, %s, %s, %s::inet, %s FROM enabled
"""

SET_ADMIN = """
WITH account AS (
    SELECT id FROM users WHERE email = %s::citext AND email::text = %s
), changed AS (
    UPDATE users SET admin = %s FROM account WHERE users.id = account.id AND admin <> %s RETURNING users.id
), audited AS (
    INSERT INTO audit_log (event, user_id, agent, address, request_id) SELECT %s, id, %s, %s::inet, %s FROM changed
)
SELECT id FROM account
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A page: at most `limit` entries that come after the one whose id is `before`; GREATEST_ID is the first page."""

    before: int
    limit: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The entries of a page; `next` is `before` of the next page, None after the last."""

    entries: list[T]
    next: int | None


class AdminStore:
    """Each method is one statement or one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_admin(self, user_id: int) -> bool:
        return self._database.one(IS_ADMIN, user_id) is not None

    def find(self, user_id: int) -> Account | None:
        row = self._database.one(FIND_ACCOUNT, user_id)
        return None if row is None else from_row(Account, row)

    def find_by_email(self, email: str) -> Account | None:
        row = self._database.one(FIND_ACCOUNT_BY_EMAIL, email, email)
        return None if row is None else from_row(Account, row)

    def list_accounts(self, name: str, place: Place) -> Page[Account]:
        """Accounts whose name contains `name`, ignoring case; all if it is empty."""
        looked_at = LOOKED_AT if name else place.limit + 1
        pattern = "%" + name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._database.all(LIST_ACCOUNTS, place.before, looked_at, pattern, place.limit + 1)
        page = _page(rows, looked_at, place.limit)
        return Page([from_row(Account, row) for row in page.entries], page.next)

    def list_audit(self, user_id: int | None, filters: Mapping[str, Any], place: Place) -> Page[AuditEntry]:
        """Entries that match all of `filters` (names as in AUDIT_FILTERS); the search by `user_id` uses an index."""
        statement = _PAGE.format(
            columns=_ENTRY,
            table="audit_log",
            condition=" AND ".join(["true", *(AUDIT_FILTERS[name] for name in filters)]),
            **(_BY_ID if user_id is None else _OF_ACCOUNT),
        )
        looked_at = LOOKED_AT if filters else place.limit + 1
        until = "infinity" if place.before == GREATEST_ID else "-infinity"
        within = (place.before,) if user_id is None else (user_id, place.before, until, place.before)
        rows = self._database.all(statement, *within, looked_at, *filters.values(), place.limit + 1)
        page = _page(rows, looked_at, place.limit)
        return Page([_entry(row) for row in page.entries], page.next)

    def disable(self, user_id: int, actor_id: int, client: Client) -> str | None:
        """Disable an account and end its sessions and links, even if it is disabled.

        Returns the transaction's id, None if there is no such account.
        """
        with self._database.transaction() as transaction:
            row = transaction.one(DISABLE_ACCOUNT, user_id, actor_id, *client.origin)
            links.drop(transaction, user_id, keep=("verify",))
        return None if row is None else str(row[0])

    def enable(self, user_id: int, actor_id: int, client: Client) -> None:
        self._database.run(ENABLE_ACCOUNT, user_id, actor_id, *client.origin)

    def set_admin(self, email: str, admin: bool, client: Client) -> bool:
        """Whether there is an account with this address."""
        event = "admin_granted" if admin else "admin_revoked"
        row = self._database.one(SET_ADMIN, email, email, admin, admin, event, *client.origin)
        return row is not None


def _page(rows: Sequence[tuple[Any, ...]], looked_at: int, limit: int) -> Page[tuple[Any, ...]]:
    """A page of rows that begin with two columns: the number of rows read, and the id of the last of them."""
    found = [row[2:] for row in rows if row[2] is not None]
    seen, last = rows[0][:2]
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1][0])
    return Page(found, last if seen == looked_at else None)


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    address = canonical_address(row[7] or "")
    return AuditEntry(row[0], utc(row[1]), row[2], row[3], row[4], row[5], row[6], address, row[8], row[9], row[10])
