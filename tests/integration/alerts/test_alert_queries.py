"""What saved searches look for is stored once, and kept right by saving, changing, deleting, and by older versions."""

from collections.abc import Iterator

import pytest

from app.alerts import store
from app.alerts.duties import AlertUpkeep
from app.alerts.queries import matched_form
from app.alerts.store import SavedSearchStore
from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from tests.conftest import LocalDatabase

USER = "INSERT INTO users (email, name, password_hash) VALUES ('a@alerts.example', 'Ada', '') RETURNING id"
ROW = """
SELECT q.query, q.id, s.since_era = e.number, s.since_xid::text::bigint, s.frequency
  FROM saved_search s LEFT JOIN alert_query q ON q.id = s.query_id, event_era e WHERE s.id = %s
"""
BY_OLD_VERSION = "INSERT INTO saved_search (user_id, name, query) VALUES (%s, 'Old', %s) RETURNING id"
CHANGE_BY_OLD_VERSION = "UPDATE saved_search SET query = %s WHERE id = %s"
MATCH = """
INSERT INTO query_match (query_id, cluster_id, posting_id, era, xid, event_id, at)
VALUES (%s, %s, 1, 1, '1', 1, now() - make_interval(days => %s))
"""


@pytest.fixture(scope="module")
def direct(database: LocalDatabase) -> Iterator[Database]:
    made = Database(database.direct_url, DatabaseTuning(), prepared=False)
    yield made
    made.close()


@pytest.fixture
def user(direct: Database) -> int:
    direct.run("TRUNCATE users, alert_query CASCADE")
    (number,) = direct.one(USER) or (0,)
    return int(number)


def save(direct: Database, user: int, query: str) -> int:
    with direct.transaction() as transaction:
        return int(store.insert(transaction, user, "Mine", query).id)


def searched(direct: Database, search: int) -> str | None:
    row = direct.one(ROW, search)
    assert row is not None
    assert row[2], "another era"
    return None if row[0] is None else str(row[0])


def since(direct: Database, search: int) -> int:
    row = direct.one(ROW, search)
    return 0 if row is None else int(row[3])


def test_equal_searches_share_a_query(direct: Database, user: int) -> None:
    assert matched_form("q=nurse&lang=en&country=FR&country=DE&sort=salary") == (
        "country=DE&country=FR&lang=en&q=nurse"
    )
    save(direct, user, "q=nurse&lang=en&country=DE&country=FR")
    save(direct, user, "q=nurse&lang=en&country=FR&country=DE&sort=published")
    save(direct, user, "q=nurse&lang=de")
    assert direct.one("SELECT count(*), count(DISTINCT query_id) FROM saved_search") == (3, 2)
    assert direct.one("SELECT count(*) FROM alert_query") == (2,)


def test_changed_query_counts_from_its_change(direct: Database, user: int) -> None:
    search = save(direct, user, "q=nurse&lang=en")
    saved = since(direct, search)
    searches = SavedSearchStore(direct)
    searches.change(user, search, {"name": "Other"}, None)
    assert (searched(direct, search), since(direct, search)) == ("lang=en&q=nurse", saved)
    searches.change(user, search, {"query": "country=DE", "name": "Third"}, None)
    assert searched(direct, search) == "country=DE"
    assert since(direct, search) > saved


@pytest.mark.parametrize("by_old_version", [False, True])
def test_query_that_matches_the_same_counts_as_before(direct: Database, user: int, by_old_version: bool) -> None:
    search = save(direct, user, "q=nurse&lang=en&country=DE&country=FR")
    saved = direct.one(ROW, search)
    for query in (
        "q=nurse&lang=en&country=DE&country=FR",
        "q=nurse&lang=en&country=DE&country=FR&sort=published",
        "q=nurse&lang=en&country=FR&country=DE&sort=salary",
        "q=nurse&lang=en&country=FR&country=DE",
    ):
        if by_old_version:
            direct.run(CHANGE_BY_OLD_VERSION, query, search)
        else:
            assert SavedSearchStore(direct).change(user, search, {"query": query, "name": "Whole form"}, None)
        assert direct.one(ROW, search) == saved, query
        assert direct.one("SELECT query FROM saved_search WHERE id = %s", search) == (query,)


def test_searches_of_older_versions_are_filled(direct: Database, user: int) -> None:
    (old,) = direct.one(BY_OLD_VERSION, user, "country=DE&sort=published") or (0,)
    changed = save(direct, user, "q=nurse&lang=en")
    saved = since(direct, changed)
    direct.run(CHANGE_BY_OLD_VERSION, "country=FR", changed)
    assert (searched(direct, old), searched(direct, changed)) == (None, None)
    AlertUpkeep(direct).fill()
    assert (searched(direct, old), searched(direct, changed)) == ("country=DE", "country=FR")
    assert since(direct, changed) > saved
    assert (direct.one(ROW, old) or ())[-1] == "never"


def test_old_matches_and_queries_of_nobody_are_removed(direct: Database, user: int) -> None:
    kept, gone = save(direct, user, "country=DE"), save(direct, user, "country=FR")
    numbers = [(direct.one(ROW, search) or ())[1] for search in (kept, gone)]
    for query, cluster, days in ((numbers[0], 1, 89), (numbers[0], 2, 91), (numbers[1], 1, 1)):
        direct.run(MATCH, query, cluster, days)
    SavedSearchStore(direct).delete(user, gone, None)
    AlertUpkeep(direct).forget()
    assert direct.all("SELECT query_id, cluster_id FROM query_match") == [(numbers[0], 1)]
    assert direct.all("SELECT id FROM alert_query") == [(numbers[0],)]
