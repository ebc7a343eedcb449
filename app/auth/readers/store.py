"""SQL of the readers of mails about accounts."""

from typing import Any

from app.auth.records import Reader
from app.infra.postgres.database import Database, Transaction

_COLUMNS = "u.id, u.email::text, u.name, COALESCE(u.language, 'en'), u.device_mails, u.verified_at IS NOT NULL"

FIND_READER = f"SELECT {_COLUMNS} FROM users u WHERE u.id = %s"

FIND_READER_AT = (
    f"SELECT {_COLUMNS} FROM users u WHERE u.email = %s::citext AND u.email::text = %s AND disabled_at IS NULL"
)

FIND_ID = "SELECT id FROM users WHERE email = %s::citext AND email::text = %s"

EXISTS = "SELECT 1 FROM users WHERE id = %s"

KEEP = "SELECT 1 FROM users WHERE id = %s FOR KEY SHARE"

KNOWN_ELSEWHERE = "SELECT EXISTS (SELECT FROM login_networks WHERE user_id = %s AND network <> %s)"


def find(transaction: Transaction, user_id: int) -> Reader | None:
    """The reader of an account's mails."""
    return _reader(transaction.one(FIND_READER, user_id))


def find_at(transaction: Transaction, email: str) -> Reader | None:
    """The reader at an address, unless the account is disabled."""
    return _reader(transaction.one(FIND_READER_AT, email, email))


def find_id(transaction: Transaction, email: str) -> int | None:
    """The account that has an address."""
    row = transaction.one(FIND_ID, email, email)
    return None if row is None else int(row[0])


def exists(database: Database, user_id: int) -> bool:
    """Whether there is such an account."""
    return database.one(EXISTS, user_id) is not None


def stays(transaction: Transaction, user_id: int) -> bool:
    """Whether there is such an account, which is not deleted before the transaction ends."""
    return transaction.one(KEEP, user_id) is not None


def known_elsewhere(transaction: Transaction, user_id: int, network: str) -> bool:
    """Whether the account has logged in from another network before."""
    row = transaction.one(KNOWN_ELSEWHERE, user_id, network)
    return row is not None and bool(row[0])


def _reader(row: tuple[Any, ...] | None) -> Reader | None:
    return None if row is None else Reader(*row)
