"""Matching equals searching: what is opened or begins to match is what GET /jobs finds after a change and not before.

MATCH_SEEDS is the number of random boards, MATCH_STEPS that of changes of each.
"""

import dataclasses
import itertools
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
import pytest

from app.alerts import store as searches
from app.alerts.matching import service as matching
from app.alerts.matching import store as positions
from app.alerts.matching.anchors import ANCHORS_MAX, too_broad
from app.alerts.matching.branches import Branch
from app.alerts.matching.service import Matcher
from app.alerts.matching.store import MatchingStore, Occasion
from app.alerts.queries import matched_form, refuse_too_broad
from app.config import DatabaseTuning
from app.errors import Invalid, Unavailable
from app.events.service import EventLog
from app.events.store import EventStore
from app.infra.postgres.database import Database, Transaction
from app.jobs import store, writing
from app.jobs.codes.salaries import shipped_rates
from app.jobs.indexing import fingerprint, named_values
from app.jobs.query.expression import canonical
from app.jobs.query.parameters import Wanted, read
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.schemas import FIELDS, Place, Posting, Salary
from app.jobs.store import PostingStore
from app.jobs.upkeep.store import UpkeepStore
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import NOW, Catalogue, detail, random_posting
from tests.integration.jobs.test_search_forms import random_search

SEEDS = int(os.environ.get("MATCH_SEEDS", "1"))
STEPS = int(os.environ.get("MATCH_STEPS", "25"))
QUERIES = 40

USER = "INSERT INTO users (email, name, password_hash) VALUES ('a@alerts.example', 'Ada', '') RETURNING id"
SHOWN = """
SELECT o.id, p.id FROM posting o
  JOIN posting p ON p.shown AND (p.id = o.id OR (NOT o.shown AND p.cluster_id = o.cluster_id AND NOT p.strayed))
"""
NEXT = "SELECT COALESCE(max(id), 0) FROM event"
NEWER = """
SELECT q.query, m.cluster_id FROM query_match m JOIN alert_query q ON q.id = m.query_id WHERE event_id > %s
"""
LEFT = """
SELECT EXISTS (SELECT FROM event e, alert_position p WHERE (e.era, e.xid, e.id) > (p.era, p.xid, p.id))
"""
HOSTILE = "q=" + "+OR+".join(f"{{0}}a{number}" for number in range(20)) + "&near=85,0&radius_km=60"
"""Each alternative would be stored under the 336 cells of the circle."""

BERLIN, PARIS = Place("DE", "Berlin", "Berlin", 52.5244, 13.4105), Place("FR", None, "Paris", 48.8534, 2.3488)


@pytest.fixture(scope="module")
def direct(database: LocalDatabase) -> Iterator[Database]:
    made = Database(database.direct_url, DatabaseTuning(), prepared=False)
    yield made
    made.close()


class Alerts:
    """A catalogue whose postings change, an account whose searches are matched, and what searches find now."""

    def __init__(self, direct: Database) -> None:
        self.database = direct
        direct.run("TRUNCATE companies, users, alert_query RESTART IDENTITY CASCADE")
        self.catalogue, self.postings = Catalogue(direct), PostingStore(direct)
        (self.user,) = direct.one(USER) or (0,)
        self.searcher = Searcher(QueryStore(direct), shipped_rates())
        self.matcher = self.another()
        self.matcher.tick()

    def another(self) -> Matcher:
        return Matcher(EventLog(EventStore(self.database)), MatchingStore(self.database), shipped_rates())

    def save(self, *queries: str) -> list[str]:
        """The queries as they are matched."""
        for query in queries:
            with self.database.transaction() as transaction:
                searches.insert(transaction, self.user, "Mine", query)
        return [matched_form(query) for query in queries]

    def open(self, posting: Posting) -> int:
        return self.catalogue.add(msgspec.structs.replace(posting, state="open")).id

    def offer(self, title: str, **said: Any) -> int:
        posting = msgspec.structs.replace(random_posting(random.Random(3)), title=title, company_id=1)
        until = NOW + timedelta(days=9)
        return self.open(msgspec.structs.replace(posting, detail=detail(**said), valid_through=until))

    def change(self, number: int, **values: Any) -> None:
        """Write a posting with other values; `detail` values may be given by name, too."""
        with self.changing(number, **values):
            pass

    @contextmanager
    def changing(self, number: int, **values: Any) -> Iterator[None]:
        """The same in a transaction that is committed after the block."""
        found = self.postings.find(number)
        assert found is not None
        names = set(found[0].detail.__struct_fields__)
        inner = msgspec.structs.replace(found[0].detail, **{k: v for k, v in values.items() if k in names})
        after = msgspec.structs.replace(found[0], detail=inner, **{k: v for k, v in values.items() if k not in names})
        self.postings.number(named_values(inner, inner.places))
        with self.postings.transaction() as transaction:
            cluster = store.lock_cluster(transaction, number)
            locked = store.lock(transaction, number)
            assert locked is not None
            cluster = cluster or store.cluster_like(
                transaction, after.company_id, fingerprint(after.title, after.description, after.detail)
            )
            writing.write(transaction, locked.posting, after, cluster, shipped_rates())
            yield

    def verify(self, company: int, verified: bool) -> None:
        self.database.run("UPDATE companies SET verified = %s, version = version + 1 WHERE id = %s", verified, company)

    def matched(self, since: int = 0) -> set[tuple[str, int]]:
        """(query, cluster) of the matches that have a later event."""
        self.matcher.tick()
        return {(query, cluster) for query, cluster in self.database.all(NEWER, since)}

    def events(self) -> int:
        return int((self.database.one(NEXT) or (0,))[0])

    def found(self, queries: list[str]) -> dict[str, set[int]]:
        """The postings that each search finds."""
        return {query: self._found(read(parse_qs(query), "en", FIELDS)) for query in queries}

    def _found(self, wanted: Wanted) -> set[int]:
        return {row.id for row in self.searcher.page(self.searcher.prepare(wanted), 1000, None).rows}

    def shown(self) -> dict[int, int]:
        """The posting that is shown for each one."""
        return dict(self.database.all(SHOWN))

    def cluster(self, number: int) -> int:
        (cluster,) = self.database.one("SELECT cluster_id FROM posting WHERE id = %s", number) or (0,)
        return int(cluster)


@pytest.fixture
def alerts(direct: Database) -> Alerts:
    return Alerts(direct)


def text_of(wanted: Wanted) -> str:
    """The search as in an address."""
    given = {
        field.name: value
        for field in dataclasses.fields(wanted)
        if (value := getattr(wanted, field.name)) not in ((), "", None, False) and value != field.default
    }
    given |= {"q": canonical(wanted.q), "lang": wanted.lang.replace("pl", "en")} if wanted.q else {}
    given |= {"near": f"{wanted.near.lat},{wanted.near.lon}"} if wanted.near else {}
    given |= {"verified": "true"} if wanted.verified else {}
    renamed = {"skill_all": "skill.all", "company_not": "company.not"}
    given.pop("sort", None)
    if not wanted.q:
        given.pop("lang", None)
    kept = {renamed.get(name, name): value for name, value in given.items()}
    return urlencode({name: value for name, value in kept.items() if name != "radius_km" or wanted.near}, doseq=True)


class Step:
    """One random change: the postings that it is about, whether they were opened, and which they are matched as."""

    def __init__(self, alerts: Alerts, chance: random.Random, ids: list[int]) -> None:
        self.alerts, self.chance, self.ids = alerts, chance, ids

    def take(self) -> tuple[list[int], bool]:
        """The postings concerned, and whether they count whatever was found before."""
        kind = self.chance.choice(["open", "open", "fold", "edit", "edit", "edit", "move", "close", "reopen", "verify"])
        if kind in ("open", "fold") or not self.ids:
            self.ids.append(self._opened(kind == "fold" and bool(self.ids)))
            return self.ids[-1:], True
        return self._verified() if kind == "verify" else self._changed(kind, self.chance.choice(self.ids))

    def _opened(self, fold: bool) -> int:
        posting, until = random_posting(self.chance), NOW + timedelta(days=self.chance.choice([1, 2, 3]))
        if fold:
            twin = self._posting(self.chance.choice(self.ids))
            inner = msgspec.structs.replace(twin.detail, places=posting.detail.places)
            posting = msgspec.structs.replace(twin, detail=inner)
        return self.alerts.open(msgspec.structs.replace(posting, valid_through=until))

    def _verified(self) -> tuple[list[int], bool]:
        company, verified = self.chance.randrange(1, 4), self.chance.random() < 0.7
        rows = self.alerts.database.all("SELECT id FROM posting WHERE company_id = %s AND shown", company)
        self.alerts.verify(company, verified)
        return [row[0] for row in rows], False

    def _changed(self, kind: str, number: int) -> tuple[list[int], bool]:
        other, opened = random_posting(self.chance), self._posting(number).state == "open"
        values: dict[str, Any] = {"state": "closed" if kind == "close" else "open"}
        if kind == "move":
            values["places"] = other.detail.places
        if kind == "edit":
            values |= {"title": other.title, "description": other.description, "salary": other.detail.salary}
            values |= {"skills": other.detail.skills, "seniority": other.detail.seniority}
        if kind == "close" and not opened:
            return [], False
        self.alerts.change(number, **values)
        return ([], False) if kind == "close" else ([number], not opened)

    def _posting(self, number: int) -> Posting:
        found = self.alerts.postings.find(number)
        assert found is not None
        return found[0]


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_matches_are_what_searches_begin_to_find(alerts: Alerts, seed: int) -> None:
    chance = random.Random(seed)
    wanted = [each for each in (random_search(chance) for _ in range(3 * QUERIES)) if not too_broad(each)][:QUERIES]
    queries = sorted(set(alerts.save(*(text_of(each) for each in wanted))))
    step, new, before = Step(alerts, chance, []), 0, alerts.found(queries)
    for number in range(STEPS):
        if number == STEPS // 2:
            UpkeepStore(alerts.database).count()
        last, shown = alerts.events(), alerts.shown()
        concerned, opened = step.take()
        after, now = alerts.found(queries), alerts.shown()
        expected = {
            (query, alerts.cluster(now[each]))
            for query in queries
            for each in concerned
            if each in now and now[each] in after[query] and (opened or shown.get(each) not in before[query])
        }
        assert alerts.matched(last) == expected, (seed, number)
        new, before = new + len(expected), after
    assert new > STEPS // 2


def test_edit_that_does_not_change_what_matches_is_no_match(alerts: Alerts) -> None:
    (query,) = alerts.save("q=welder&lang=en&salary_min=30000&salary_currency=EUR")
    number = alerts.offer("Wellder", salary=Salary("EUR", "year", None, 40_000))
    cluster = alerts.cluster(number)
    assert alerts.matched() == set()
    mended = alerts.events()
    alerts.change(number, title="Welder")
    assert alerts.matched(mended) == {(query, cluster)}
    edits: list[dict[str, Any]] = [
        {"title": "Welder of ships"},
        {"salary": Salary("EUR", "year", None, 45_000)},
        {"places": (BERLIN,)},
    ]
    for values in edits:
        touched = alerts.events()
        alerts.change(number, **values)
        assert alerts.matched(touched) == set(), values
    assert len(alerts.matched()) == 1


def test_reopened_posting_counts_as_opened(alerts: Alerts) -> None:
    (query,) = alerts.save("q=welder&lang=en")
    number = alerts.offer("Welder")
    first = alerts.events()
    alerts.change(number, state="closed")
    assert alerts.matched(first) == set()
    alerts.change(number, state="open")
    assert alerts.matched(first) == {(query, alerts.cluster(number))}


def test_folded_posting_is_matched_as_the_one_that_is_shown(alerts: Alerts) -> None:
    everywhere, berlin = alerts.save("q=welder&lang=en", "q=welder&lang=en&city=Berlin")
    first = alerts.offer("Welder", places=(PARIS,))
    cluster = alerts.cluster(first)
    assert alerts.matched() == {(everywhere, cluster)}
    opened = alerts.events()
    second = alerts.offer("Welder", places=(BERLIN,))
    assert alerts.cluster(second) == cluster
    assert alerts.matched(opened) == {(everywhere, cluster), (berlin, cluster)}
    hidden = first if alerts.shown()[first] != first else second
    touched = alerts.events()
    alerts.change(hidden, valid_through=NOW + timedelta(days=2))
    assert alerts.matched(touched) == set()


def test_company_that_is_verified_brings_all_its_postings(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(matching, "BATCH", 2)
    alerts.verify(1, False)
    trusted, _ = alerts.save("q=welder&lang=en&verified=true", "q=welder&lang=en")
    numbers = [alerts.offer(f"Welder {number}") for number in range(5)]
    alerts.matched()
    last = alerts.events()
    alerts.verify(1, True)
    assert alerts.matched(last) == {(trusted, alerts.cluster(number)) for number in numbers}
    last = alerts.events()
    alerts.verify(1, True)
    assert alerts.matched(last) == set()


def test_search_saved_after_the_opening_is_not_matched_by_it(alerts: Alerts) -> None:
    alerts.offer("Welder")
    alerts.matcher.tick()
    (query,) = alerts.save("q=welder&lang=en")
    assert alerts.matched() == set()
    again = alerts.offer("Welder again")
    assert alerts.matched() == {(query, alerts.cluster(again))}


def test_skill_that_gets_its_number_later_is_matched(alerts: Alerts) -> None:
    name = f"Skill {alerts.events()}"
    queries = alerts.save(urlencode({"skill": name}), urlencode({"skill": [name, "Python"]}, doseq=True))
    alerts.matcher.tick()
    number = alerts.offer("Welder", skills=(name,))
    assert alerts.matched() == {(query, alerts.cluster(number)) for query in queries}


def test_matchers_share_the_events_and_a_failure_loses_none(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(matching, "BATCH", 3)
    (query,) = alerts.save("q=welder&lang=en")
    alerts.matcher.tick()
    numbers = [alerts.offer(f"Welder {number}") for number in range(20)]
    real, dying, calls = positions.move, set(range(1, 40, 4)), itertools.count()

    def dies(transaction: Transaction, *args: Any) -> None:
        if next(calls) in dying:
            raise Unavailable("killed after matching, before the position was written")
        real(transaction, *args)

    monkeypatch.setattr(positions, "move", dies)
    several = [alerts.another() for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        while alerts.database.one(LEFT) != (False,):
            list(threads.map(Matcher.tick, several))
    assert alerts.matched() == {(query, alerts.cluster(number)) for number in numbers}
    matches = alerts.database.one("SELECT count(*), count(DISTINCT event_id) FROM query_match")
    assert matches == (20, 20)


def test_batch_that_takes_too_long_is_halved(alerts: Alerts, monkeypatch: pytest.MonkeyPatch) -> None:
    (query,) = alerts.save("q=welder&lang=en")
    numbers = [alerts.offer(f"Welder {number}") for number in range(5)]
    real = positions.match

    def slow(transaction: Transaction, occasions: Sequence[Occasion]) -> list[int]:
        if len(occasions) > 2:
            raise Unavailable("the statement took too long")
        return real(transaction, occasions)

    monkeypatch.setattr(positions, "match", slow)
    for _ in range(10):
        alerts.matcher.tick()
    assert alerts.matched() == {(query, alerts.cluster(number)) for number in numbers}


def test_searches_of_many_alternatives_and_cells_do_not_stop_the_others(
    alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, real = [], positions.replace_branches

    def limited(transaction: Transaction, form: str, found: dict[int, list[Branch]], names: Any) -> None:
        written.append([len(several) for several in found.values()])
        if len(found) > 8 or sum(written[-1]) > 2_000:
            raise Unavailable("the statement took too long")
        real(transaction, form, found, names)

    monkeypatch.setattr(positions, "replace_branches", limited)
    monkeypatch.setattr(matching, "BRANCHES_AT_ONCE", 1_500)
    alerts.save(*(HOSTILE.format(f"n{number}") for number in range(12)), HOSTILE.format("-"))
    (query,) = alerts.save("q=welder&lang=en")
    number = alerts.offer("Welder")
    for _ in range(5):
        alerts.matcher.tick()
    assert alerts.matched() == {(query, alerts.cluster(number))}
    assert sum(map(sum, written[-2:])) > 0
    assert max(map(max, written)) <= ANCHORS_MAX
    assert alerts.database.one("SELECT count(DISTINCT query_id) FROM alert_branch") == (13,)


def test_unknown_position_begins_at_the_oldest_event(alerts: Alerts) -> None:
    (query,) = alerts.save("q=welder&lang=en")
    number = alerts.offer("Welder")
    alerts.matched()
    alerts.database.run("DELETE FROM query_match")
    alerts.database.run("UPDATE alert_position SET log = 'another'")
    assert alerts.matched() == {(query, alerts.cluster(number))}


@pytest.mark.parametrize(
    ("query", "broad"),
    [
        ("", True),
        ("employment_type=full_time&workplace=remote&seniority=lead", True),
        ("salary_min=1&salary_currency=EUR&posted_within_days=3&verified=true&company.not=1", True),
        ("q=-nurse", True),
        ("q=nurse+OR+-night", True),
        ("near=89,0&radius_km=500", True),
        ("q=nur*&workplace=remote", False),
        ('q="night+nurse"', False),
        ("country=DE", False),
        ("skill=unheard+of", False),
        ("near=52.5,13.4&radius_km=500", False),
        ("eligible_from=FR", False),
    ],
)
def test_search_without_anything_rare_is_too_broad(alerts: Alerts, query: str, broad: bool) -> None:
    with pytest.raises(Invalid, match="alerts need") if broad else nullcontext():
        refuse_too_broad(query)
    alerts.save(query)
    alerts.matcher.tick()
    alerts.offer("Night nurse", skills=("unheard of",), places=(BERLIN,))
    alerts.matcher.tick()
    assert (alerts.database.one("SELECT count(*) FROM alert_branch") == (0,)) == broad
