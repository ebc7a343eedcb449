"""Digests: what is alerted when, to whom, and only once."""

import itertools
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.alerts import store as searches
from app.alerts.digests import service
from app.alerts.digests.schedule import next_due
from app.alerts.digests.service import DigestMaker
from app.alerts.digests.store import DigestStore, claim
from app.alerts.matching import service as matching
from app.alerts.matching import store as positions
from app.alerts.schemas import Frequency
from app.errors import Unavailable
from app.infra.postgres.database import Database, Transaction
from app.jobs.codes.salaries import shipped_rates
from tests.integration.alerts.test_matching import BERLIN, PARIS, Alerts, direct
from tests.pods.pod import wait_for

__all__ = ["direct"]

PERSON = "INSERT INTO users (email, name, password_hash) VALUES (%s, 'Ada', '') RETURNING id"
HURRY = """
WITH searches AS (UPDATE saved_search SET due_at = now() WHERE due_at IS NOT NULL)
UPDATE alert_account SET due_at = now(), mailed_at = NULL
"""
ALERTED = "SELECT saved_search_id, cluster_id, digest_id FROM alert_sent WHERE digest_id > %s"
NEWEST = "SELECT COALESCE(max(id), 0) FROM digest"
SERVED_BY_OLD_VERSION = """
UPDATE saved_search s SET served_era = m.era, served_xid = m.xid, served_id = m.event_id
  FROM query_match m WHERE s.id = %s AND m.query_id = s.query_id
   AND m.event_id = (SELECT max(event_id) FROM query_match WHERE query_id = m.query_id)
"""
CHANGED_BY_OLD_VERSION = """
UPDATE saved_search SET query = %s, query_id = (SELECT id FROM alert_query WHERE query = %s),
       since_era = current_event_era(), since_xid = pg_current_xact_id(), version = version + 1 WHERE id = %s
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Digests(Alerts):
    """The same with accounts whose searches alert, and the digests that workers make."""

    def __init__(self, direct: Database) -> None:
        super().__init__(direct)
        self.store = DigestStore(direct)
        self.maker = self.another_maker()

    def another_maker(self) -> DigestMaker:
        return DigestMaker(self.store, shipped_rates())

    def person(self, name: str) -> int:
        (number,) = self.database.one(f"/* */ {PERSON}", f"{name}@alerts.example") or (0,)
        return int(number)

    def alert(self, query: str, frequency: Frequency = "instant", user: int | None = None) -> int:
        """Save a search that alerts; its id."""
        with self.database.transaction() as transaction:
            saved = searches.insert(transaction, user or self.user, f"Search {query}", query, frequency)
        self.maker.tick()
        return saved.id

    def hurry(self) -> None:
        """Let every pause and every wait for an hour be over."""
        self.database.run(HURRY)

    def made(self, *, hurry: bool = True) -> set[tuple[int, int]]:
        """Match what has happened, and make what is due; the (search, cluster) of new digests."""
        self.matcher.tick()
        return self.serve(hurry=hurry)

    def serve(self, *, hurry: bool = True) -> set[tuple[int, int]]:
        """The same of what has been matched."""
        (last,) = self.database.one(NEWEST) or (0,)
        if hurry:
            self.hurry()
        self.maker.tick()
        return {(row[0], row[1]) for row in self.database.all(ALERTED, last)}

    def outcome(self, search: int, job: int) -> str:
        """What the service says of the alert about a posting."""
        alert = searches.SavedSearchStore(self.database).alert_of(self.user, search, job)
        assert alert is not None
        return alert.outcome

    def contents(self) -> list[dict[str, Any]]:
        """What each digest says."""
        return [json.loads(row[0]) for row in self.database.all("SELECT content::text FROM digest ORDER BY id")]

    def due(self, search: int) -> datetime | None:
        (found,) = self.database.one("SELECT due_at FROM saved_search WHERE id = %s", search) or (None,)
        return found  # type: ignore[no-any-return]


@pytest.fixture
def digests(direct: Database) -> Digests:
    return Digests(direct)


def test_instant_search_alerts_at_once_and_then_pauses(digests: Digests) -> None:
    search = digests.alert("q=welder&lang=en")
    first = digests.cluster(digests.offer("Welder"))
    assert digests.made(hurry=False) == {(search, first)}
    second = digests.cluster(digests.offer("Welder again"))
    assert digests.made(hurry=False) == set()
    due = "SELECT due_at = mailed_at + interval '5 minutes' FROM alert_account"
    assert digests.database.one(due) == (True,)
    assert digests.made() == {(search, second)}
    assert digests.made() == set()


def test_match_found_while_a_digest_is_made_is_alerted_of_at_once(digests: Digests) -> None:
    """The digest does not see the match, and would look at the account again in an hour."""
    search = digests.alert("q=welder&lang=en")
    cluster = digests.cluster(digests.offer("Welder"))
    digests.hurry()
    with ThreadPoolExecutor(1) as beside:
        with digests.store.transaction() as transaction:
            due = claim(transaction)
            assert due is not None
            digests.maker._serve(transaction, due)
            matching = beside.submit(digests.matcher.tick)
            wait_for(lambda: matching.done() or digests.database.one(WAITING) != (0,), "the match, or its wait")
        matching.result()
    assert digests.made(hurry=False) == {(search, cluster)}


def test_digest_is_told_to_realtime_clients_in_its_transaction(digests: Digests, monkeypatch: Any) -> None:
    monkeypatch.setattr(service, "TOLD", 2)
    other = digests.person("other")
    one, two = digests.alert("q=welder&lang=en"), digests.alert("q=welder&lang=en&city=Berlin", user=other)
    jobs = [digests.offer(f"Welder {number}", places=(BERLIN if number == 1 else PARIS,)) for number in range(3)]
    (last,) = digests.database.one("SELECT COALESCE(max(id), 0) FROM stream_event") or (0,)

    def events() -> dict[tuple[int, str], Any]:
        rows = digests.database.all("SELECT user_id, type, data::text FROM stream_event WHERE id > %s", last)
        return {(user, kind): json.loads(data) for user, kind, data in rows}

    digests.made()
    expected = {
        (digests.user, "alerts.matched"): {"saved_search_id": one, "matches": 3, "job_ids": jobs[:2]},
        (other, "alerts.matched"): {"saved_search_id": two, "matches": 1, "job_ids": [jobs[1]]},
    }
    assert events() == expected
    (last,) = digests.database.one("SELECT max(id) FROM stream_event") or (0,)
    digests.made()
    assert events() == {}


def test_daily_and_weekly_searches_wait_for_the_hour_of_the_account(digests: Digests) -> None:
    database = digests.database
    database.run("UPDATE users SET time_zone = 'Asia/Tokyo', alert_hour = 5")
    daily, weekly = digests.alert("q=welder&lang=en", "daily"), digests.alert("q=welder", "weekly")
    for search, frequency in ((daily, "daily"), (weekly, "weekly")):
        assert digests.due(search) == next_due(frequency, datetime.now(UTC), "Asia/Tokyo", 5)  # type: ignore[arg-type]
    database.run("UPDATE users SET time_zone = 'America/Lima'")
    digests.maker.tick()
    assert digests.due(daily) == next_due("daily", datetime.now(UTC), "America/Lima", 5)
    cluster = digests.cluster(digests.offer("Welder"))
    assert digests.made(hurry=False) == set()
    database.run("UPDATE saved_search SET due_at = now() WHERE id = %s", daily)
    database.run("UPDATE alert_account SET due_at = now()")
    assert digests.made(hurry=False) == {(daily, cluster)}
    assert digests.due(daily) == next_due("daily", datetime.now(UTC), "America/Lima", 5)
    assert digests.made() == {(weekly, cluster)}


def test_digest_verifies_what_is_there_now(digests: Digests) -> None:
    welder, berlin = digests.alert("q=welder&lang=en"), digests.alert("q=welder&lang=en&city=Berlin")
    closed, edited, kept = (digests.offer(f"Welder {number}") for number in range(3))
    folded = digests.offer("Welder folded", places=(PARIS,))
    digests.matcher.tick()
    digests.change(closed, state="closed")
    digests.change(edited, title="Painter")
    twin = digests.offer("Welder folded", places=(BERLIN,))
    assert digests.cluster(twin) == digests.cluster(folded)
    expected = {(welder, digests.cluster(kept)), (welder, digests.cluster(folded)), (berlin, digests.cluster(folded))}
    assert digests.made() == expected
    digests.change(closed, state="open")
    digests.change(edited, title="Welder once more")
    digests.change(kept, state="closed")
    digests.change(kept, state="open")
    assert digests.made() == {(welder, digests.cluster(closed)), (welder, digests.cluster(edited))}


def test_search_counts_what_comes_after_its_last_change(digests: Digests) -> None:
    search = digests.alert("q=welder&lang=en")
    digests.offer("Painter")
    digests.offer("Welder")
    digests.matcher.tick()
    store = searches.SavedSearchStore(digests.database)
    assert store.change(digests.user, search, {"query": "q=painter&lang=en"}, None)
    assert digests.made() == set()
    later = digests.cluster(digests.offer("Painter again"))
    assert digests.made() == {(search, later)}
    assert store.change(digests.user, search, {"frequency": "off"}, None)
    digests.offer("Painter while nobody is told")
    assert digests.made() == set()
    assert store.change(digests.user, search, {"frequency": "instant"}, None)
    assert digests.made() == set()
    last = digests.cluster(digests.offer("Painter at last"))
    assert digests.made() == {(search, last)}


@pytest.mark.parametrize("how", ["saved", "changed", "switched on", "changed by an old version"])
def test_posting_written_before_and_committed_after_the_search_is_alerted_of(digests: Digests, how: str) -> None:
    """As in a chunk of an import: the search does not find it yet when it is saved."""
    store, began = searches.SavedSearchStore(digests.database), how == "saved"
    search = 0 if began else digests.alert("q=welder&lang=en" if how == "switched on" else "q=nurse&lang=en")
    if how == "switched on":
        assert store.change(digests.user, search, {"frequency": "off"}, None)
    before, during = digests.offer("Welder"), digests.offer("Painter")
    digests.matcher.tick()
    with digests.changing(during, title="Welder of ships"):
        if how == "changed":
            assert store.change(digests.user, search, {"query": "q=welder&lang=en"}, None)
        elif how == "switched on":
            assert store.change(digests.user, search, {"frequency": "instant"}, None)
        elif how == "saved":
            search = digests.alert("q=welder&lang=en")
        else:
            with digests.database.transaction() as transaction:
                searches.insert(transaction, digests.person("other"), "The same", "q=welder&lang=en")
            assert digests.database.run(CHANGED_BY_OLD_VERSION, "q=welder&lang=en", "lang=en&q=welder", search)
        digests.matcher.tick()
        assert digests.outcome(search, before) == ("earlier" if how == "switched on" else "no_match")
    digests.matcher.tick()
    assert digests.outcome(search, during) == "due"
    assert digests.made() == {(search, digests.cluster(during))}
    after = digests.cluster(digests.offer("Welder afterwards"))
    assert digests.made() == {(search, after)}


def test_search_changed_by_an_old_version_is_not_alerted_of_what_matched_before(digests: Digests) -> None:
    other = digests.alert("q=welder&lang=en", user=digests.person("other"))
    search = digests.alert("q=nurse&lang=en")
    job = digests.offer("Welder")
    assert digests.made() == {(other, digests.cluster(job))}
    assert digests.database.run(CHANGED_BY_OLD_VERSION, "q=welder&lang=en", "lang=en&q=welder", search)
    assert digests.outcome(search, job) == "earlier"
    assert digests.made() == set()


def test_search_saved_before_snapshots_were_kept_counts_by_its_transaction(digests: Digests) -> None:
    other, digests_of = digests.alert("q=welder&lang=en", user=digests.person("other")), digests.cluster
    before = digests.offer("Welder")
    assert digests.made() == {(other, digests_of(before))}
    search = digests.alert("q=welder&lang=en")
    waiting = digests.offer("Welder again")
    digests.matcher.tick()
    digests.database.run("UPDATE saved_search SET since_snapshot = NULL")
    assert [digests.outcome(search, job) for job in (before, waiting)] == ["earlier", "due"]
    assert digests.made() == {(search, digests_of(waiting)), (other, digests_of(waiting))}


def test_search_of_an_earlier_era_is_alerted_of_all_that_is_matched(digests: Digests) -> None:
    """After a restore, numbers of transactions say nothing about those of before."""
    search = digests.alert("q=welder&lang=en")
    cluster = digests.cluster(digests.offer("Welder"))
    digests.matcher.tick()
    digests.database.run("UPDATE query_match SET era = era + 1, xid = '3'")
    assert digests.made() == {(search, cluster)}


def test_saving_the_same_query_again_keeps_what_is_waiting(digests: Digests) -> None:
    search = digests.alert("q=welder&lang=en", "weekly")
    cluster = digests.cluster(job := digests.offer("Welder"))
    digests.matcher.tick()
    store = searches.SavedSearchStore(digests.database)
    whole = {"name": "Same", "query": "q=welder&lang=en&sort=published", "frequency": "weekly"}
    assert store.change(digests.user, search, whole, None)
    assert digests.outcome(search, job) == "due"
    assert digests.made() == {(search, cluster)}


def test_account_that_gets_no_mail_gets_no_digest_until_it_does(digests: Digests) -> None:
    search = digests.alert("q=welder&lang=en")
    cluster = digests.cluster(digests.offer("Welder"))
    for wrong, right in (
        ("UPDATE users SET verified_at = NULL", "UPDATE users SET verified_at = now()"),
        ("UPDATE users SET disabled_at = now()", "UPDATE users SET disabled_at = NULL"),
        ("INSERT INTO mail_suppression SELECT email::text, 'asked' FROM users", "DELETE FROM mail_suppression"),
    ):
        digests.database.run(wrong)
        assert digests.made() == set(), wrong
        digests.database.run(right)
    assert digests.made() == {(search, cluster)}


def test_many_matches_are_told_in_parts_and_all_are_counted(
    digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(service, "CONSIDERED", 5)
    monkeypatch.setattr(service, "TOLD", 2)
    search = digests.alert("q=welder&lang=en", "daily")
    clusters = [digests.cluster(digests.offer(f"Welder {number}")) for number in range(12)]
    found = [digests.made() for _ in range(4)]
    assert found == [{(search, each) for each in part} for part in (clusters[:5], clusters[5:10], clusters[10:], [])]
    assert [(part["total"], len(part["items"])) for each in digests.contents() for part in each["parts"]] == [
        (5, 2), (5, 2), (2, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("frequency", ["instant", "daily"])
def test_postings_of_a_verified_company_are_all_alerted_of_once(
    digests: Digests, monkeypatch: pytest.MonkeyPatch, frequency: Frequency
) -> None:  # fmt: skip
    """They have one event, are matched in several transactions, in some of which a worker dies, and fill digests."""
    monkeypatch.setattr(matching, "BATCH", 2)
    monkeypatch.setattr(service, "CONSIDERED", 3)
    digests.verify(1, False)
    search = digests.alert("q=welder&lang=en&verified=true", frequency)
    jobs = [digests.offer(f"Welder {number}") for number in range(9)]
    digests.matcher.tick()
    digests.verify(1, True)
    real, calls = positions.move, itertools.count()

    def dies(transaction: Transaction, *args: Any) -> None:
        if next(calls) % 3 == 1:
            raise Unavailable("killed after matching, before the position was written")
        real(transaction, *args)

    monkeypatch.setattr(positions, "move", dies)
    told, outcomes = Counter[int](), set()
    for step in range(6 * len(jobs)):
        with suppress(Unavailable):
            digests.matcher.step()
        outcomes |= {digests.outcome(search, job) for job in jobs}
        if step % 4 == 3:
            told.update(cluster for _, cluster in digests.serve())
    assert told == Counter(digests.cluster(job) for job in jobs)
    assert outcomes == {"no_match", "due", "sending"}


def test_version_that_serves_by_events_alone_loses_none(digests: Digests) -> None:
    search = digests.alert("q=welder&lang=en")
    digests.offer("Welder")
    digests.made()
    other = digests.cluster(digests.offer("Welder of another event"))
    digests.matcher.tick()
    digests.database.run("UPDATE query_match SET posting_id = 1 WHERE cluster_id = %s", other)
    digests.database.run(SERVED_BY_OLD_VERSION, search)
    assert digests.made() == {(search, other)}


def test_workers_share_the_accounts_and_serve_none_twice_before_others(
    digests: Digests, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(service, "CONSIDERED", 2)
    people = [digests.person(f"p{number}") for number in range(12)]
    for person in people:
        digests.alert("q=welder&lang=en", user=person)
    for number in range(5):
        digests.offer(f"Welder {number}")
    digests.matcher.tick()
    makers = [digests.another_maker() for _ in range(3)]
    for _ in range(3):
        digests.hurry()
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(DigestMaker.tick, makers))
    served = [row[0] for row in digests.database.all("SELECT user_id FROM digest ORDER BY id")]
    assert [sorted(served[start : start + 12]) for start in (0, 12, 24)] == [people] * 3
    sent = digests.database.one("SELECT count(*), count(DISTINCT (saved_search_id, cluster_id)) FROM alert_sent")
    assert sent == (60, 60)


def test_deleted_search_and_account_leave_nothing(digests: Digests) -> None:
    person = digests.person("gone")
    search, other = digests.alert("q=welder&lang=en"), digests.alert("q=welder&lang=en", user=person)
    digests.offer("Welder")
    assert len(digests.made()) == 2
    digests.database.run("DELETE FROM saved_search WHERE id = %s", search)
    digests.database.run("DELETE FROM users WHERE id = %s", person)
    left = "SELECT (SELECT count(*) FROM alert_sent), (SELECT count(*) FROM digest WHERE user_id = %s)"
    assert digests.database.one(left, person) == (0, 0)
    assert other != search
    assert digests.made() == set()


def test_deadline_of_a_search_passes_with_nothing_to_say(digests: Digests) -> None:
    search = digests.alert("q=welder&lang=en", "daily")
    digests.database.run("UPDATE saved_search SET due_at = now() - interval '3 days'")
    digests.database.run("UPDATE alert_account SET due_at = now()")
    assert digests.made(hurry=False) == set()
    due = digests.due(search)
    assert due is not None
    assert datetime.now(UTC) < due <= datetime.now(UTC) + timedelta(days=1)
    assert digests.contents() == []
