"""The columns of a user follow the fields of `User`, wherever a statement reads them."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from app.users.schemas import User, UserFact
from app.users.store import user_columns, user_from_row

APP = Path(__file__).parents[3] / "app"
ELSEWHERE = timezone(timedelta(hours=2))


def test_columns_are_the_fields() -> None:
    names = [column.removeprefix("u.").partition("::")[0] for column in user_columns("u").split(", ")]
    assert tuple(names) == User.__struct_fields__


def test_row_may_have_columns_after_the_user() -> None:
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    row = (7, "ada@example.com", "Ada", "", moment.astimezone(ELSEWHERE), moment, 3, moment, "4711")
    user = user_from_row(row)
    assert user == User(7, "ada@example.com", "Ada", "", moment, moment, 3, moment)
    assert user.created_at.tzinfo is UTC


def test_no_other_store_lists_the_columns() -> None:
    stores = [path for path in APP.glob("*/**/store.py") if path != APP / "users" / "store.py"]
    assert stores
    assert [path for path in stores if "headline" in path.read_text()] == []


def test_public_form_has_only_public_fields() -> None:
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    fact = UserFact(User(7, "ada@example.com", "Ada", "Poet", moment, moment, 3), "tag")
    assert fact.public_json == b'{"id":7,"name":"Ada","headline":"Poet","created_at":"2026-01-02T03:00:00Z"}'
