"""A company that is closed while its postings are written offers nothing afterwards."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from app.errors import NotFound
from app.jobs import store
from app.jobs.schemas import JobPatch, NewJob
from app.local.process import becomes_true
from tests.conftest import LocalDatabase
from tests.integration.imports.office import Office, office_at
from tests.integration.jobs.catalogue import NOW

CLOSE = "UPDATE companies SET closed_at = now() WHERE id = %s"
OFFERED = "SELECT id FROM posting WHERE state = 'open' OR shown"
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"


@pytest.fixture
def office(database: LocalDatabase) -> Iterator[Office]:
    with office_at(database.direct_url) as made:
        yield made


def offer(office: Office, **more: Any) -> int:
    new = NewJob("Nurse", "<p>You care.</p>", language="en", **more)
    fact, _ = office.board.jobs.create(office.company, office.user, new)
    return fact.posting.id


def close(office: Office) -> None:
    assert office.database.run(CLOSE, office.company) == 1


def after(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], None]) -> None:
    """Have `act` done right after the method or function has done its work, once."""
    real, left = getattr(owner, name), [act]

    def done(*args: Any, **named: Any) -> Any:
        found = real(*args, **named)
        if left:
            left.pop()()
        return found

    monkeypatch.setattr(owner, name, done)


@pytest.mark.parametrize("state", ["draft", "closed", "expired"])
def test_posting_is_not_opened_for_a_company_that_has_just_closed(
    office: Office, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    number = offer(office, state="draft" if state == "draft" else "open")
    if state == "closed":
        office.board.jobs.change(number, office.user, JobPatch(state="closed"), None)
    if state == "expired":
        office.database.run(
            "UPDATE posting SET valid_through = now() - interval '1 day', state = 'expired', shown = false"
        )
    after(monkeypatch, office.board.jobs, "for_member", lambda: close(office))
    with pytest.raises(NotFound):
        office.board.jobs.change(
            number, office.user, JobPatch(state="open", valid_through=NOW + timedelta(days=9)), None
        )
    assert office.database.all(OFFERED) == []


def test_company_that_closes_during_a_change_offers_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    kept, changed = offer(office), offer(office)
    office.board.jobs.change(changed, office.user, JobPatch(state="closed"), None)
    with ThreadPoolExecutor(1) as threads:
        closing: list[Future[None]] = []

        def begin() -> None:
            closing.append(threads.submit(close, office))
            assert becomes_true(lambda: closing[0].done() or office.database.one(WAITS) == (True,), 10.0)

        after(monkeypatch, store, "members", begin)
        office.board.jobs.change(changed, office.user, JobPatch(openings=2), None)
        closing[0].result()
    assert office.database.all(OFFERED) == [], (kept, changed)
