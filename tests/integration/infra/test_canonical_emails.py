"""Making email addresses canonical: rows of earlier versions, writes of older pods, and duplicates."""

from collections.abc import Iterator

import psycopg2
import pytest

from app.infra.postgres.migrate import migrate
from app.infra.postgres.statements import Preparation
from app.local.postgres import Postgres
from tests.integration.infra.revisions import upgrade_to
from tests.sql import ask

INSERT = "INSERT INTO users (email, password_hash, name) VALUES (%s, '', 'Ada') RETURNING id"
# Stands in for a locale such as Turkish, in which citext does not treat I and i as equal.
CAPITALS_COUNT = """
DROP EXTENSION citext CASCADE;
CREATE DOMAIN citext AS text;
ALTER TABLE users ADD COLUMN email citext NOT NULL UNIQUE;
"""


@pytest.fixture(params=["", CAPITALS_COUNT], ids=["case-insensitive", "case-sensitive"])
def url(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    """A database at the previous revision, with case-insensitive or case-sensitive addresses."""
    url = postgres.create_database("emails")
    upgrade_to(url, "0001")
    if request.param:
        ask(url, request.param)
    yield url
    postgres.drop_database("emails")


def _add(url: str, email: str) -> int:
    return int(ask(url, INSERT, (email,))[0][0])


def _emails(url: str) -> dict[int, str]:
    return dict(ask(url, "SELECT id, email::text FROM users"))


def test_addresses_become_canonical_and_are_published(url: str) -> None:
    capitals, small, foreign = (
        _add(url, each) for each in ("IDA@Example.COM", "kim@x.example", "li@b\u00fccher.example")
    )
    upgrade_to(url, "0004")
    assert _emails(url) == {capitals: "ida@example.com", small: "kim@x.example", foreign: "li@xn--bcher-kva.example"}
    assert {key for (key,) in ask(url, "SELECT key FROM outbox")} == {f"user:{capitals}", f"user:{foreign}"}
    assert dict(ask(url, "SELECT id, version FROM users")) == {capitals: 2, small: 1, foreign: 2}


def test_address_stored_by_an_older_pod_becomes_canonical(url: str) -> None:
    upgrade_to(url, "0004")
    user_id = _add(url, "IDA@Example.COM")
    ask(url, "UPDATE users SET name = 'Ida' WHERE id = %s", (user_id,))
    assert _emails(url) == {user_id: "ida@example.com"}
    with pytest.raises(psycopg2.errors.UniqueViolation):
        _add(url, "iDa@example.com")


def test_more_addresses_than_a_batch_become_canonical(url: str) -> None:
    ask(
        url,
        "INSERT INTO users (email, password_hash, name)"
        " SELECT 'U' || n || '@X.example', '', 'U' FROM generate_series(1, 5001) n",
    )
    upgrade_to(url, "0004")
    assert ask(url, "SELECT count(*) FROM users WHERE email::text = 'u' || id || '@x.example'") == [(5001,)]


def test_invalid_address_is_kept_and_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    user_id = _add(url, "\u0131da@example.com")
    upgrade_to(url, "0004")
    assert _emails(url) == {user_id: "\u0131da@example.com"}
    assert f"account {user_id} keeps the address \u0131da@example.com" in caplog.text


@pytest.mark.parametrize("url", [CAPITALS_COUNT], indirect=True)
def test_duplicate_addresses_are_kept_and_one_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    taken, wanting = _add(url, "ida@example.com"), _add(url, "IDA@example.com")
    older, newer = _add(url, "KIM@example.com"), _add(url, "KiM@example.com")
    upgrade_to(url, "0004")
    assert _emails(url) == {
        taken: "ida@example.com", wanting: "IDA@example.com", older: "kim@example.com", newer: "KiM@example.com",
    }  # fmt: skip
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"account {user_id} keeps the address {email} and cannot log in with it: another account has {email.lower()}"
        for user_id, email in ((wanting, "IDA@example.com"), (newer, "KiM@example.com"))
    ]
    audited = ask(url, "SELECT user_id FROM audit_log WHERE event = 'email_not_canonical' ORDER BY user_id")
    assert audited == [(wanting,), (newer,)]


def test_migrating_to_the_newest_revision_logs_it_too(url: str, caplog: pytest.LogCaptureFixture) -> None:
    _add(url, "nobody")
    migrate(url, Preparation([]))
    assert "keeps the address nobody" in caplog.text
