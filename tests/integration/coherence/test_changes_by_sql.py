"""The triggers that write to the outbox: each change or end by SQL is noted, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database

NEW_USER = "INSERT INTO users (email, password_hash, name) VALUES (%s, '', 'Ada') RETURNING id"
NEW_SESSION = """
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
VALUES (%s, 0, decode(repeat('00', 16), 'hex'), '', now() + interval '1 day') RETURNING id
"""
USER, SESSION = "UPDATE users SET {} WHERE id = %(user)s", "UPDATE sessions SET {} WHERE id = %(phone)s"


@pytest.fixture
def direct(database: Any) -> Iterator[Database]:
    made = Database(database.direct_url, DatabaseTuning(), prepared=False)
    yield made
    made.run("DELETE FROM users")
    made.run("DELETE FROM outbox")
    made.close()


@pytest.fixture
def ids(direct: Database) -> dict[str, int]:
    """A user with two live sessions."""
    user = direct.one(NEW_USER, "ada@example.com")
    assert user is not None
    phone, laptop = direct.one(NEW_SESSION, *user), direct.one(NEW_SESSION, *user)
    assert phone is not None
    assert laptop is not None
    assert noted(direct) == []
    return {"user": user[0], "phone": phone[0], "laptop": laptop[0]}


def noted(direct: Database) -> list[str]:
    return [key for (key,) in direct.all("SELECT key FROM outbox ORDER BY id")]


def by_sql(direct: Database, ids: dict[str, int], *statements: str) -> list[str]:
    """The outbox after the statements of one transaction, with keys as names of `ids`."""
    with direct.transaction() as transaction:
        for each in statements:
            transaction.run(each % {name: str(number) for name, number in ids.items()})
    names = {f"{'user' if name == 'user' else 'session'}:{number}": name for name, number in ids.items()}
    return [names[key] for key in noted(direct)]


@pytest.mark.parametrize(
    "change",
    [
        "token_epoch = token_epoch + 1",
        "token_epoch = token_epoch - 1",
        "name = 'Grace'",
        "headline = 'Engineer'",
        "email = 'grace@example.com'",
        "version = version + 1",
        "updated_at = updated_at + interval '1 s'",
    ],
)
def test_a_change_of_the_user_is_noted(direct: Database, ids: dict[str, int], change: str) -> None:
    assert by_sql(direct, ids, USER.format(change)) == ["user"]


@pytest.mark.parametrize(
    "change",
    [
        "revoked_at = now()",
        "epoch = epoch + 1",
        "expires_at = now()",
        "expires_at = expires_at - interval '1 hour'",
        "created_at = created_at - interval '100 days'",
    ],
)
def test_an_end_of_a_session_is_noted(direct: Database, ids: dict[str, int], change: str) -> None:
    assert by_sql(direct, ids, SESSION.format(change)) == ["phone"]


@pytest.mark.parametrize(
    "statement",
    [
        USER.format("password_hash = 'rehashed'"),
        USER.format("name = name, token_epoch = token_epoch"),
        SESSION.format("last_seen_at = clock_timestamp()"),
        SESSION.format(
            "refresh_counter = 1, refresh_hash = 'x', rotated_at = now(), expires_at = now() + interval '2 days'"
        ),
        SESSION.format("agent = 'another', address = '::1'"),
    ],
)
def test_change_that_ends_nothing_is_not_noted(direct: Database, ids: dict[str, int], statement: str) -> None:
    assert by_sql(direct, ids, statement) == []


def test_deleting_a_live_session_is_noted(direct: Database, ids: dict[str, int]) -> None:
    assert by_sql(direct, ids, "DELETE FROM sessions WHERE id = %(phone)s") == ["phone"]


def test_deleting_a_user_is_noted_once(direct: Database, ids: dict[str, int]) -> None:
    assert by_sql(direct, ids, "DELETE FROM users WHERE id = %(user)s") == ["user"]


@pytest.mark.parametrize("end", ["revoked_at = now()", "expires_at = now() - interval '2 days'", "epoch = 7"])
def test_change_of_an_ended_session_is_not_noted(direct: Database, ids: dict[str, int], end: str) -> None:
    assert by_sql(direct, ids, SESSION.format(end)) == ["phone"]
    direct.run("DELETE FROM outbox")
    assert by_sql(direct, ids, SESSION.format("revoked_at = now()")) == []
    assert by_sql(direct, ids, "DELETE FROM sessions WHERE id = %(phone)s") == []


def test_new_epoch_is_noted_once_for_all_sessions(direct: Database, ids: dict[str, int]) -> None:
    keep = SESSION.format("epoch = epoch + 1")
    end = "DELETE FROM sessions WHERE id = %(laptop)s"
    assert by_sql(direct, ids, USER.format("token_epoch = token_epoch + 1"), keep, end) == ["user"]


def test_upsert_is_noted_as_an_update(direct: Database, ids: dict[str, int]) -> None:
    upsert = """INSERT INTO users (email, password_hash, name) VALUES ('ada@example.com', '', 'Ada')
                ON CONFLICT (email) DO UPDATE SET token_epoch = users.token_epoch + 1"""
    assert by_sql(direct, ids, upsert) == ["user"]


@pytest.mark.parametrize("statement", ["TRUNCATE sessions", "TRUNCATE users CASCADE"])
def test_truncate_is_noted_for_every_user(direct: Database, ids: dict[str, int], statement: str) -> None:
    assert set(by_sql(direct, ids, statement)) == {"user"}


NEW_COMPANY = "INSERT INTO companies (slug, name) VALUES ('acme', 'Acme') RETURNING id"


@pytest.mark.parametrize(
    ("statement", "noted_keys"),
    [
        ("UPDATE companies SET name = 'Other'", 1),
        ("UPDATE companies SET verified = true", 1),
        ("UPDATE companies SET closed_at = now()", 1),
        ("UPDATE companies SET name = name", 0),
        ("DELETE FROM companies", 1),
        ("TRUNCATE companies CASCADE", 1),
    ],
)
def test_change_of_a_company_is_noted(direct: Database, statement: str, noted_keys: int) -> None:
    company = direct.one(NEW_COMPANY)
    assert company is not None
    direct.run(statement)
    assert noted(direct) == [f"company:{company[0]}"] * noted_keys
    direct.run("DELETE FROM companies")


def test_outbox_rows_have_their_transaction_id(direct: Database, ids: dict[str, int]) -> None:
    with direct.transaction() as transaction:
        transaction.run("UPDATE users SET token_epoch = token_epoch + 1 WHERE id = %s", ids["user"])
        row = transaction.one("SELECT pg_current_xact_id()::text")
    assert direct.all("SELECT xid::text FROM outbox") == [row]


def test_outbox_is_found_with_any_search_path(direct: Database, ids: dict[str, int]) -> None:
    """A temporary table named `outbox` must not take its place."""
    with direct.transaction() as transaction:
        transaction.run("CREATE TEMPORARY TABLE outbox (key text) ON COMMIT DROP")
        transaction.run("SET LOCAL search_path = pg_temp")
        transaction.run("UPDATE public.users SET name = 'Grace' WHERE id = %s", ids["user"])
        transaction.run("UPDATE public.sessions SET revoked_at = now() WHERE id = %s", ids["phone"])
    assert noted(direct) == [f"user:{ids['user']}", f"session:{ids['phone']}"]
