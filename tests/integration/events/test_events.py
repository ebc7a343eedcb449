"""Events: which change writes which, and that readers get each one once, in whatever order transactions commit."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import psycopg2
import pytest

from app.config import DatabaseTuning
from app.events.service import EventLog, Position, Resync
from app.events.store import Event, EventStore
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.upkeep.service import Upkeep
from app.local.postgres import Postgres
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import NOW, Catalogue, Unpublished, random_posting

ADD_OLD = """
INSERT INTO event (slot, era, kind, ref, version, at)
SELECT %s, number, 'changed', 1, 1, now() - make_interval(days => %s) FROM event_era
"""
ADD_LATER = "INSERT INTO event (era, xid, kind, ref, version) SELECT number, '99999999', 'changed', 1, 1 FROM event_era"
WRITE = "UPDATE companies SET version = version + 1 WHERE id = %s RETURNING version"


@pytest.fixture(scope="module")
def direct(database: LocalDatabase) -> Iterator[Database]:
    made = Database(database.direct_url, DatabaseTuning(), prepared=False)
    yield made
    made.close()


@pytest.fixture
def catalogue(direct: Database) -> Catalogue:
    direct.run("TRUNCATE companies RESTART IDENTITY CASCADE")
    return Catalogue(direct)


@pytest.fixture
def log(direct: Database) -> EventLog:
    return EventLog(EventStore(direct))


def after(log: EventLog, position: Position) -> list[Event]:
    return log.read(position)[0]


def kinds(events: list[Event]) -> list[str]:
    return [each.kind for each in events]


def add(catalogue: Catalogue, **said: Any) -> int:
    posting = msgspec.structs.replace(random_posting(random.Random(3)), state="open", company_id=1)
    until = NOW + timedelta(days=9)
    return catalogue.add(msgspec.structs.replace(posting, valid_through=until, title=str(said))).id


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE posting SET version = version + 1", ["changed"]),
        ("UPDATE posting SET state = 'closed', shown = false, version = version + 1", ["closed"]),
        ("UPDATE posting SET state = 'expired', shown = false", ["expired"]),
        ("UPDATE posting SET siblings = 1", []),
        ("DELETE FROM posting", ["closed"]),
        ("TRUNCATE posting CASCADE", ["closed"]),
        ("UPDATE companies SET verified = true, version = version + 1 WHERE id = 1", ["company_changed"]),
        ("UPDATE companies SET closed_at = now(), version = version + 1 WHERE id = 1", ["closed", "company_closed"]),
        ("DELETE FROM companies WHERE id = 1", ["closed", "company_closed"]),
    ],
)
def test_changes_by_sql_are_recorded(
    catalogue: Catalogue, log: EventLog, direct: Database, statement: str, expected: list[str]
) -> None:  # fmt: skip
    number = add(catalogue)
    [(version, text)] = direct.all("SELECT version, detail::text FROM posting JOIN posting_text ON posting_id = id")
    begun = log.newest()
    direct.run(statement)
    found = after(log, begun)
    assert sorted(kinds(found)) == expected
    for each in found:
        if each.kind in ("closed", "expired"):
            assert each.payload == {"company": 1, "places": msgspec.json.decode(text)["places"]}
            assert (each.ref, each.version) == (number, version + (each.kind == "closed"))


def test_change_carries_the_search_columns_before_it(catalogue: Catalogue, log: EventLog, direct: Database) -> None:
    number = add(catalogue)
    columns = "SELECT terms, title_tsv::text, body_tsv::text, salary FROM posting WHERE id = %s"
    [before] = direct.all(columns, number)
    begun = log.newest()
    direct.run("UPDATE posting SET version = version + 1, terms = '{}', title_tsv = '', salary = 1")
    [event] = after(log, begun)
    assert tuple(event.payload["before"][name] for name in ("terms", "title_tsv", "body_tsv", "salary")) == before


def test_opening_and_the_flip_of_expired_postings_are_recorded(
    catalogue: Catalogue, log: EventLog, direct: Database
) -> None:  # fmt: skip
    begun = log.newest()
    number = add(catalogue)
    assert kinds(after(log, begun)) == ["opened", "changed"]
    direct.run("UPDATE posting SET valid_through = now() - interval '1 s'")
    begun = log.newest()
    Upkeep(direct, Unpublished(), shipped_rates()).expire()
    assert [(each.kind, each.ref) for each in after(log, begun)] == [("expired", number)]


def test_a_draft_leaves_no_event(catalogue: Catalogue, log: EventLog, direct: Database) -> None:
    begun = log.newest()
    direct.run("INSERT INTO posting (company_id, state, valid_through) VALUES (1, 'draft', now())")
    direct.run("UPDATE posting SET version = version + 1")
    direct.run("DELETE FROM posting")
    assert after(log, begun) == []


def test_a_transaction_that_commits_late_is_not_skipped(
    catalogue: Catalogue, log: EventLog, direct: Database, database: LocalDatabase
) -> None:  # fmt: skip
    begun = log.newest()
    late = psycopg2.connect(database.direct_url)
    with late.cursor() as cursor:
        cursor.execute(WRITE, (1,))
        direct.run(WRITE, 2)
        events, position = log.read(begun)
        assert events == []
        assert log.behind_s() > 0
        walk = log.newest()
        late.commit()
    late.close()
    events, position = log.read(position)
    assert sorted(each.ref for each in events) == [1, 2]
    assert log.behind_s() == 0
    assert after(log, walk) == events
    assert after(log, position) == []


def test_pages_hold_each_event_once(catalogue: Catalogue, log: EventLog, direct: Database) -> None:
    begun = position = log.newest()
    for number in range(7):
        direct.run(WRITE, number % 3 + 1)
    found = []
    for _ in range(7):
        events, position = log.read(position, 1)
        found += events
    assert found == after(log, begun)
    assert len(found) == 7


def test_old_events_are_removed_and_their_positions_refused(log: EventLog, direct: Database) -> None:
    begun = log.oldest()
    direct.run("TRUNCATE event")
    direct.run(ADD_OLD, 0, 8)
    _, middle = log.read(begun)
    direct.run(ADD_OLD, 1, 6)
    assert log.rotate() == 1
    assert log.rotate() == 0
    assert len(after(log, middle)) == 1
    with pytest.raises(Resync):
        log.read(begun)
    assert len(after(log, log.oldest())) == 1


def test_database_that_was_restored_begins_a_new_era(
    catalogue: Catalogue, log: EventLog, direct: Database, postgres: Postgres, database: LocalDatabase
) -> None:  # fmt: skip
    """Events of the dump come before later ones, though their transactions had higher numbers."""
    begun = log.newest()
    direct.run(ADD_LATER)
    direct.close()
    restored = Database(postgres.create_database("restored", template=database.name), DatabaseTuning(), prepared=False)
    try:
        there = EventLog(EventStore(restored))
        with pytest.raises(Resync):
            there.read(begun)
        restored.run(WRITE, 2)
        events = after(there, there.oldest())
        assert [each.ref for each in events[-2:]] == [1, 2]
        there.renew()
        assert after(there, there.newest()) == []
    finally:
        restored.close()
        postgres.drop_database("restored")
