"""SQL of users."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from msgspec import UNSET, Struct

from app.infra.postgres.database import Database, Statement, Transaction
from app.users.schemas import AccountSettings, SettingsPatch, User

S = TypeVar("S", bound=Struct)
_CASTS = {"email": "::text"}


def user_columns(table: str = "users", shape: type[Struct] = User) -> str:
    """The select list for `shape`: its fields as columns of `table`, in the order that `from_row` expects."""
    return ", ".join(f"{table}.{name}{_CASTS.get(name, '')}" for name in shape.__struct_fields__)


FIND_USER = Statement("find_user", ("bigint",), f"SELECT {user_columns()} FROM users WHERE id = $1", readonly=True)

# Two requests at once must not both make the last thing that an account may have. What is counted then is counted by a
# statement of its own, because a statement that has waited for a lock still counts what was there before.
LOCK_USER = "SELECT 1 FROM users WHERE id = %s FOR NO KEY UPDATE"

FIND_USERS = Statement(
    "find_users", ("bigint[]",), f"SELECT {user_columns()} FROM users WHERE id = ANY ($1)", readonly=True
)

CHANGE_PROFILE = f"""
UPDATE users
   SET name = COALESCE(%s::text, name), headline = COALESCE(%s::text, headline),
       version = version + 1, updated_at = now()
 WHERE id = %s AND version = COALESCE(%s::int, version)
RETURNING {user_columns()}, pg_current_xact_id()::text
"""

_SETTINGS = "language, time_zone, device_mails, alert_hour"

FIND_SETTINGS = f"SELECT {_SETTINGS} FROM users WHERE id = %s"

CHANGE_SETTINGS = f"""
UPDATE users SET language = CASE WHEN %s THEN %s::text ELSE language END, time_zone = COALESCE(%s::text, time_zone),
       device_mails = COALESCE(%s::boolean, device_mails), alert_hour = COALESCE(%s::smallint, alert_hour)
 WHERE id = %s RETURNING {_SETTINGS}
"""

INSERT_MADE_UP = """
INSERT INTO users (email, name, headline, password_hash)
SELECT email, name, headline, %s FROM unnest(%s::text[], %s::text[], %s::text[]) AS made_up (email, name, headline)
    ON CONFLICT (email) DO NOTHING
"""

PREPARED = (FIND_USER, FIND_USERS)


class UserStore:
    """Reads and profile writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: int) -> User | None:
        row = self._database.one(FIND_USER, user_id)
        return None if row is None else user_from_row(row)

    def list_by_ids(self, user_ids: Sequence[int]) -> dict[int, User]:
        return {row[0]: user_from_row(row) for row in self._database.all(FIND_USERS, list(user_ids))}

    def change_profile(
        self, user_id: int, name: str | None, headline: str | None, version: int | None
    ) -> tuple[User, str] | None:
        """(the changed user, the transaction's id); None if there is no such user or `version` is not current."""
        row: tuple[Any, ...] | None = self._database.one(CHANGE_PROFILE, name, headline, user_id, version)
        return None if row is None else (user_from_row(row), row[-1])

    def find_settings(self, user_id: int) -> AccountSettings | None:
        row = self._database.one(FIND_SETTINGS, user_id)
        return None if row is None else AccountSettings(*row)

    def change_settings(self, user_id: int, patch: SettingsPatch) -> AccountSettings | None:
        """The changed settings; None if there is no such user."""
        given = {name: None if (value := getattr(patch, name)) is UNSET else value for name in patch.__struct_fields__}
        row = self._database.one(
            CHANGE_SETTINGS, patch.language is not UNSET, given["language"], given["time_zone"],
            given["device_mails"], given["alert_hour"], user_id,
        )  # fmt: skip
        return None if row is None else AccountSettings(*row)

    def insert_made_up(self, people: Sequence[tuple[str, str, str]], password_hash: bytes) -> int:
        """Insert a user for each (address, name, headline) whose address is free; returns how many."""
        emails, names, headlines = (list(column) for column in zip(*people, strict=True))
        return self._database.run(INSERT_MADE_UP, password_hash, emails, names, headlines)


def lock(transaction: Transaction, user_id: int) -> bool:
    """Have other requests that lock the account wait until the transaction ends; False if there is no such account."""
    return transaction.one(LOCK_USER, user_id) is not None


def user_from_row(row: tuple[Any, ...]) -> User:
    """The user of a row that begins with `user_columns`."""
    return from_row(User, row)


def from_row(shape: type[S], row: tuple[Any, ...]) -> S:
    """The `shape` of a row that begins with its columns; times are converted to UTC."""
    values = row[: len(shape.__struct_fields__)]
    return shape(*(utc(value) if isinstance(value, datetime) else value for value in values))


def utc(moment: datetime) -> datetime:
    """The same time in UTC; the database session may use another time zone."""
    return moment.astimezone(UTC)
