"""SQL of companies and their members; each security event is logged in the statement that causes it.

A closed company is treated as if it did not exist. A trigger makes sure that every open company has an owner: a
statement that would remove the last one raises `errors.Conflict`, even if two owners leave at the same time.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from app.auth.links import store as links
from app.auth.schemas import Client
from app.companies.schemas import Company, CompanyBrief, Member, OwnCompany, Role
from app.infra.postgres.database import Database, Statement, Transaction
from app.users.store import lock, utc

_COLUMNS = "id, slug, name, verified, description, website, country, created_at, updated_at, version"

FIND_COMPANY = Statement(
    "find_company",
    ("bigint",),
    f"SELECT {_COLUMNS} FROM companies WHERE id = $1 AND closed_at IS NULL",
    readonly=True,
)

FIND_COMPANIES = Statement(
    "find_companies",
    ("bigint[]",),
    f"SELECT {_COLUMNS} FROM companies WHERE id = ANY ($1) AND closed_at IS NULL",
    readonly=True,
)

FIND_ID = "SELECT id FROM companies WHERE slug = %s AND closed_at IS NULL"

FIND_ROLE = Statement(
    "find_role",
    ("bigint", "bigint"),
    """
SELECT m.role FROM company_members m JOIN companies c ON c.id = m.company_id
 WHERE m.company_id = $1 AND m.user_id = $2 AND c.closed_at IS NULL
""",
    readonly=True,
)

# Returns no row if the slug is taken.
INSERT_COMPANY = f"""
WITH made AS (
    INSERT INTO companies (slug, name, description, website, country) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (slug) DO NOTHING
    RETURNING {_COLUMNS}
), member AS (
    INSERT INTO company_members (company_id, user_id, role) SELECT id, %s, 'owner' FROM made RETURNING user_id
), audited AS (
    INSERT INTO audit_log (event, user_id, actor_id, company_id, agent, address, request_id)
    SELECT 'company_created', user_id, user_id, made.id, %s, %s::inet, %s FROM member, made
)
SELECT * FROM made
"""

COUNT_OWNED = """
SELECT count(*) FROM company_members m JOIN companies c ON c.id = m.company_id
 WHERE m.user_id = %s AND m.role = 'owner' AND c.closed_at IS NULL
"""

CHANGEABLE = ("name", "description", "website", "country")

CHANGE_COMPANY = f"""
UPDATE companies SET {{}}, version = version + 1, updated_at = now()
 WHERE id = %s AND version = COALESCE(%s::int, version) AND closed_at IS NULL
RETURNING {_COLUMNS}, pg_current_xact_id()::text
"""

VERIFY_COMPANY = f"""
WITH verified AS (
    UPDATE companies SET verified = %s, version = version + 1, updated_at = now()
     WHERE id = %s AND verified <> %s AND closed_at IS NULL RETURNING {_COLUMNS}
), audited AS (
    INSERT INTO audit_log (event, actor_id, company_id, agent, address, request_id)
    SELECT %s, %s, id, %s, %s::inet, %s FROM verified
)
SELECT verified.*, pg_current_xact_id()::text FROM verified
"""

CLOSE_COMPANY = """
WITH closed AS (
    UPDATE companies SET closed_at = now(), version = version + 1, updated_at = now()
     WHERE id = %s AND version = COALESCE(%s::int, version) AND closed_at IS NULL RETURNING id
), audited AS (
    INSERT INTO audit_log (event, actor_id, company_id, agent, address, request_id)
    SELECT 'company_closed', %s, id, %s, %s::inet, %s FROM closed
)
SELECT pg_current_xact_id()::text FROM closed
"""

# A separate statement: the trigger sees the company as closed only after the statement that closes it.
DISMISS_MEMBERS = "DELETE FROM company_members WHERE company_id = %s"

LOCK_COMPANY = "SELECT FROM companies WHERE id = %s AND closed_at IS NULL FOR SHARE"

_MEMBER = "m.user_id, u.name, m.role, m.since"

FIND_MEMBER = f"""
SELECT {_MEMBER} FROM company_members m JOIN users u ON u.id = m.user_id WHERE m.company_id = %s AND m.user_id = %s
"""

LIST_MEMBERS = f"""
SELECT {_MEMBER} FROM company_members m JOIN users u ON u.id = m.user_id
 WHERE m.company_id = %s AND m.user_id > %s ORDER BY m.user_id LIMIT %s
"""

# Returns no row without such an account. An existing member stays as it is, and `role` and `since` are NULL.
INVITE = """
WITH account AS (
    SELECT id, name FROM users WHERE email = %s::citext AND email::text = %s AND disabled_at IS NULL
), invited AS (
    INSERT INTO company_members (company_id, user_id, role) SELECT %s, id, %s FROM account
        ON CONFLICT (company_id, user_id) DO NOTHING
    RETURNING user_id, role, since
), audited AS (
    INSERT INTO audit_log (event, user_id, actor_id, company_id, agent, address, request_id, detail)
    SELECT 'member_added', user_id, %s, %s, %s, %s::inet, %s, jsonb_build_object('role', role) FROM invited
)
SELECT account.id, account.name, invited.role, invited.since FROM account LEFT JOIN invited ON true
"""

MAY_INVITE = """
SELECT 1 FROM company_members m JOIN companies c ON c.id = m.company_id
 WHERE m.company_id = %s AND m.user_id = %s AND m.role = 'owner' AND c.closed_at IS NULL FOR SHARE OF m
"""

JOIN_COMPANY = """
WITH joined AS (
    INSERT INTO company_members (company_id, user_id, role) VALUES (%s, %s, %s)
        ON CONFLICT (company_id, user_id) DO NOTHING
    RETURNING user_id, company_id, role
)
INSERT INTO audit_log (event, user_id, actor_id, company_id, agent, address, request_id, detail)
SELECT 'member_added', user_id, %s, company_id, %s, %s::inet, %s, jsonb_build_object('role', role) FROM joined
"""

SET_ROLE = """
WITH changed AS (
    UPDATE company_members SET role = %s WHERE company_id = %s AND user_id = %s AND role <> %s
    RETURNING user_id, company_id, role
)
INSERT INTO audit_log (event, user_id, actor_id, company_id, agent, address, request_id, detail)
SELECT 'member_role_changed', user_id, %s, company_id, %s, %s::inet, %s, jsonb_build_object('role', role) FROM changed
"""

REMOVE_MEMBER = """
WITH removed AS (
    DELETE FROM company_members WHERE company_id = %s AND user_id = %s RETURNING user_id, company_id
)
INSERT INTO audit_log (event, user_id, actor_id, company_id, agent, address, request_id)
SELECT 'member_removed', user_id, %s, company_id, %s, %s::inet, %s FROM removed
"""

LIST_OWN = """
SELECT c.id, c.slug, c.name, c.verified, m.role, m.since
  FROM company_members m JOIN companies c ON c.id = m.company_id
 WHERE m.user_id = %s AND m.company_id > %s AND c.closed_at IS NULL ORDER BY m.company_id LIMIT %s
"""

LIST_OWNED_ALONE = """
SELECT c.slug FROM company_members m JOIN companies c ON c.id = m.company_id
 WHERE m.user_id = %s AND m.role = 'owner' AND c.closed_at IS NULL AND NOT EXISTS (
       SELECT FROM company_members o WHERE o.company_id = c.id AND o.role = 'owner' AND o.user_id <> m.user_id)
 ORDER BY c.id LIMIT %s
"""

PREPARED = (FIND_COMPANY, FIND_COMPANIES, FIND_ROLE)


class CompanyStore:
    """Each method is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self._database.transaction()

    def find(self, company_id: int) -> Company | None:
        return _company(self._database.one(FIND_COMPANY, company_id))

    def list_by_ids(self, company_ids: Sequence[int]) -> dict[int, Company]:
        rows = self._database.all(FIND_COMPANIES, list(company_ids))
        return {row[0]: company_from_row(row) for row in rows}

    def find_id(self, slug: str) -> int | None:
        row = self._database.one(FIND_ID, slug)
        return None if row is None else int(row[0])

    def find_role(self, company_id: int, user_id: int) -> Role | None:
        row = self._database.one(FIND_ROLE, company_id, user_id)
        role: Role | None = None if row is None else row[0]
        return role

    def list_owned_alone(self, user_id: int, limit: int) -> list[str]:
        """Slugs of companies of which this account is the only owner."""
        return [row[0] for row in self._database.all(LIST_OWNED_ALONE, user_id, limit)]

    def find_member(self, company_id: int, user_id: int) -> Member | None:
        row = self._database.one(FIND_MEMBER, company_id, user_id)
        return None if row is None else _member(row)

    def list_members(self, company_id: int, after: int, limit: int) -> list[Member]:
        return [_member(row) for row in self._database.all(LIST_MEMBERS, company_id, after, limit)]

    def list_own(self, user_id: int, after: int, limit: int) -> list[OwnCompany]:
        rows = self._database.all(LIST_OWN, user_id, after, limit)
        return [OwnCompany(CompanyBrief(*row[:4]), row[4], utc(row[5])) for row in rows]

    def invite(
        self, company_id: int, email: str, role: Role, actor_id: int, client: Client
    ) -> tuple[int, Member | None] | None:
        """(account id, new member or None if it was one already); None if no account has the address."""
        who = (email, email, company_id, role, actor_id, company_id)
        row = self._database.one(INVITE, *who, *client.origin)
        return None if row is None else (row[0], None if row[2] is None else _member(row))

    def set_role(self, company_id: int, user_id: int, role: Role, actor_id: int, client: Client) -> None:
        """Raises Conflict if no owner would be left; does nothing if the role is the same."""
        self._database.run(SET_ROLE, role, company_id, user_id, role, actor_id, *client.origin)


def lock_open(transaction: Transaction, company_id: int) -> bool:
    """Whether the company is open, which it stays until the transaction ends."""
    return transaction.one(LOCK_COMPANY, company_id) is not None


def count_owned(transaction: Transaction, user_id: int) -> int:
    """How many companies the account owns, until the transaction ends."""
    lock(transaction, user_id)
    row = transaction.one(COUNT_OWNED, user_id)
    return 0 if row is None else int(row[0])


def insert(
    transaction: Transaction, slug: str, values: Sequence[str | None], user_id: int, client: Client
) -> Company | None:
    """`values` are name, description, website and country; returns None if the slug is taken."""
    return _company(transaction.one(INSERT_COMPANY, slug, *values, user_id, *client.origin))


def may_still_invite(transaction: Transaction, company_id: int | None, user_id: int) -> bool:
    """Whether the account is an owner of an open company; it stays one until the transaction ends."""
    return transaction.one(MAY_INVITE, company_id, user_id) is not None


def join(
    transaction: Transaction, company_id: int | None, user_id: int, role: str | None, inviter_id: int, client: Client
) -> None:  # fmt: skip
    """Make an account a member, and end its other invitations; one that is a member already keeps its role."""
    transaction.run(JOIN_COMPANY, company_id, user_id, role, inviter_id, *client.origin)
    links.end_invitations(transaction, company_id, user_id)


def remove(transaction: Transaction, company_id: int, user_id: int, actor_id: int, client: Client) -> bool:
    """Whether there was such a member, whose invitations end too; raises Conflict if no owner would be left."""
    lock(transaction, user_id)  # who accepts an invitation now waits
    links.end_invitations(transaction, company_id, user_id)
    return transaction.run(REMOVE_MEMBER, company_id, user_id, actor_id, *client.origin) > 0


def change(
    transaction: Transaction, company_id: int, values: Mapping[str, str | None], version: int | None
) -> tuple[Company, str] | None:
    """(the changed company, the transaction's id); None if there is no such company or `version` is not current.

    `values` maps some of the columns in CHANGEABLE to their new values.
    """
    columns = [name for name in CHANGEABLE if name in values]
    statement = CHANGE_COMPANY.format(", ".join(f"{name} = %s" for name in columns))
    row = transaction.one(statement, *(values[name] for name in columns), company_id, version)
    return None if row is None else (company_from_row(row), row[-1])


def verify(
    transaction: Transaction, company_id: int, verified: bool, actor_id: int, client: Client
) -> tuple[Company, str] | None:  # fmt: skip
    """Set the flag `verified`; returns what `change` does, or None if nothing changes."""
    event = "company_verified" if verified else "company_unverified"
    row = transaction.one(VERIFY_COMPANY, verified, company_id, verified, event, actor_id, *client.origin)
    return None if row is None else (company_from_row(row), row[-1])


def close(transaction: Transaction, company_id: int, version: int | None, actor_id: int, client: Client) -> str | None:
    """The transaction's id; None if there is no such company or `version` is not current."""
    row = transaction.one(CLOSE_COMPANY, company_id, version, actor_id, *client.origin)
    if row is None:
        return None
    transaction.run(DISMISS_MEMBERS, company_id)
    return str(row[0])


def company_from_row(row: tuple[Any, ...]) -> Company:
    """The company of a row that begins with `_COLUMNS`."""
    texts = row[4], row[5], row[6]
    return Company(row[0], row[1], row[2], row[3], *texts, utc(row[7]), utc(row[8]), row[9])


def _company(row: tuple[Any, ...] | None) -> Company | None:
    return None if row is None else company_from_row(row)


def _member(row: tuple[Any, ...]) -> Member:
    return Member(row[0], row[1], row[2], utc(row[3]))
