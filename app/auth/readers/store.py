"""SQL of the readers of mails about accounts."""

from typing import Any

from app.auth.records import Reader
from app.infra.postgres.database import Transaction

_COLUMNS = "u.id, u.email::text, u.name, COALESCE(u.language, 'en'), u.device_mails, u.verified_at IS NOT NULL"

FIND_READER = f"SELECT {_COLUMNS} FROM users u WHERE u.id = %s"

FIND_READER_AT = (
    f"SELECT {_COLUMNS} FROM users u WHERE u.email = %s::citext AND u.email::text = %s AND disabled_at IS NULL"
)

KNOWN_ELSEWHERE = "SELECT EXISTS (SELECT FROM login_networks WHERE user_id = %s AND network <> %s)"


def find(transaction: Transaction, user_id: int) -> Reader | None:
    """The reader of an account's mails."""
    return _reader(transaction.one(FIND_READER, user_id))


def find_at(transaction: Transaction, email: str) -> Reader | None:
    """The reader at an address, unless the account is disabled."""
    return _reader(transaction.one(FIND_READER_AT, email, email))


def known_elsewhere(transaction: Transaction, user_id: int, network: str) -> bool:
    """Whether the account has logged in from another network before."""
    row = transaction.one(KNOWN_ELSEWHERE, user_id, network)
    return row is not None and bool(row[0])


def _reader(row: tuple[Any, ...] | None) -> Reader | None:
    return None if row is None else Reader(*row)
