"""Random searches over random catalogues: each form of the query finds the same as the reference in plain Python.

SEARCH_CATALOGUES is the number of catalogues, SEARCH_QUERIES that of searches of each, SEARCH_SEED the first seed.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.codes.terms import day_of, value_of
from app.jobs.query.compiled import Query
from app.jobs.query.expression import parse
from app.jobs.query.parameters import FACETS, SORTS, Point, Wanted
from app.jobs.query.plan import Counts, Form, lexemes_of, terms_of
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.store import PostingStore
from app.jobs.texts.cleaning import text_of
from app.jobs.texts.words import folded, spelled
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import COMPANIES, NOW, PLACES, SKILLS, WORDS, Catalogue
from tests.integration.jobs.naive import Naive, stems_by

CATALOGUES = int(os.environ.get("SEARCH_CATALOGUES", "1"))
QUERIES = int(os.environ.get("SEARCH_QUERIES", "40"))
SEED = int(os.environ.get("SEARCH_SEED", "1"))
SIZE = 80
FORMS: tuple[Form, ...] = ("walk", "gin", "slices")
ALL_WORDS = sorted({word for several in WORDS.values() for word in several})


@pytest.fixture(scope="module")
def searched(database: LocalDatabase) -> Iterator[Database]:
    found = Database(database.direct_url, DatabaseTuning(), prepared=False)
    yield found
    found.close()


def asked_words(chance: random.Random) -> str:
    def atom() -> str:
        word = chance.choice(ALL_WORDS)
        forms = [word, word, word, f"-{word}", f'"{word} {chance.choice(ALL_WORDS)}"', f"{word[:3]}*", folded(word)]
        return chance.choice(forms)

    parts = [" ".join(atom() for _ in range(chance.choice([1, 1, 2, 3]))) for _ in range(chance.choice([1, 1, 1, 2]))]
    return " OR ".join(parts)


def random_search(chance: random.Random) -> Wanted:
    """A search with some random filters, each of which matches some postings."""
    spot = chance.choice([place for place in PLACES if place.lat is not None])
    assert spot.lat is not None
    assert spot.lon is not None
    optional: dict[str, Any] = {
        "company": (chance.randrange(1, COMPANIES + 1),),
        "company_not": (chance.randrange(1, COMPANIES + 1),),
        "employment_type": tuple(chance.sample(["full_time", "part_time", "contract"], 2)),
        "workplace": tuple(chance.sample(["onsite", "hybrid", "remote"], chance.choice([1, 2]))),
        "seniority": ("entry",),
        "language": ("en", "de"),
        "skill": tuple(chance.sample(SKILLS, chance.choice([1, 2]))),
        "skill_all": tuple(chance.sample(SKILLS, chance.choice([1, 2]))),
        "country": tuple(chance.sample(["DE", "FR", "FJ", "NO", "IT"], chance.choice([1, 2]))),
        "city": (chance.choice(["berlin", "Paris", "Munchen", "malaga", "Nowhere"]),),
        "region": ("bayern",),
        "near": Point(spot.lat + chance.choice([0, 0.3]), spot.lon),
        "radius_km": chance.choice([1.0, 40.0, 60.0, 61.0, 500.0]),
        "eligible_from": chance.choice(["DE", "US", "PL"]),
        "salary_unknown": chance.choice(["include", "exclude"]),
        "posted_within_days": chance.choice([1, 2, 10]),
        "verified": True,
    }
    chosen = {name: optional[name] for name in optional if chance.random() < 0.12}
    if chance.random() < 0.2:
        chosen |= {"salary_min": 30_000.0, "salary_currency": chance.choice(["EUR", "USD"])}
    if chance.random() < 0.6:
        chosen["q"] = parse(asked_words(chance))
    fitting = [sort for sort in SORTS if {"relevance": "q", "distance": "near"}.get(sort, "") in ("", *chosen)]
    return Wanted(**chosen, sort=chance.choice(fitting), lang=chance.choice(["en", "de", "fr", "pl"]))


def naive_of(catalogue: Catalogue) -> Naive:
    store = QueryStore(catalogue.database)
    words = {word for each in ALL_WORDS for word in (*spelled(each), folded(each), *spelled(each[:3]))}
    for posting in catalogue.postings:
        said = posting.detail
        named = [part for place in PLACES for part in (place.city, place.region) if part]
        words |= {*spelled(" ".join([posting.title, text_of(posting.description), *said.skills, *named]))}
    stems = {
        (lang, word): found
        for lang in ("en", "de", "fr")
        for word, found in store.stems(lang, sorted(words)).items()
    }  # fmt: skip
    return Naive(catalogue.postings, stems_by(stems), shipped_rates(), [1])


def walk(searcher: Searcher, wanted: Wanted, rows: int) -> list[int]:
    """The ids of all pages; each page starts after the last row of the previous one."""
    prepared, after, found = searcher.prepare(wanted), None, []
    while page := searcher.page(prepared, rows, after).rows:
        found += [row.id for row in page]
        after = page[-1].key
    return found


class Sliced(QueryStore):
    """Reports so many postings per day that each day becomes its own slice."""

    def basis(self) -> Counts:
        return Counts(10, {day_of(NOW): 60_000, day_of(NOW) - 1: 400_000, day_of(NOW) - 2: 1})


@pytest.mark.parametrize("seed", range(SEED, SEED + CATALOGUES))
def test_every_query_form_finds_what_the_reference_finds(searched: Database, seed: int) -> None:
    chance = random.Random(seed)
    searched.run("TRUNCATE companies RESTART IDENTITY CASCADE")
    catalogue = Catalogue(searched).fill(chance, SIZE)
    naive = naive_of(catalogue)
    searchers = {form: Searcher(Sliced(searched, form), shipped_rates()) for form in FORMS}
    hits = 0
    for _ in range(QUERIES):
        wanted = random_search(chance)
        expected = naive.search(wanted)
        hits += len(expected)
        for form, searcher in searchers.items():
            assert walk(searcher, wanted, chance.choice([1, 3, 20])) == expected, (seed, form, wanted)
        assert searchers["gin"].total(searchers["gin"].prepare(wanted))[:2] == (len(expected), True), (seed, wanted)
    assert hits > 5 * QUERIES


class Overestimating(QueryStore):
    """Reports that this share of a million postings, all of them of tomorrow, has each word and each term."""

    share = 1.0

    def counts(self, query: Query, basis: Counts) -> Counts:
        total = 1_000_000
        many = int(self.share * total)
        lexemes, prefixes = lexemes_of(query)
        texts = dict.fromkeys([*lexemes, *(f"{each}*" for each in prefixes)], many)
        return Counts(total, {day_of(NOW) + 1: total}, dict.fromkeys(terms_of(query), many), texts, texts)


class Scarce(Overestimating):
    """So few that a walk would be too long."""

    share = 0.1


@pytest.mark.parametrize("kind", [QueryStore, Overestimating, Scarce])
@pytest.mark.parametrize("seed", range(SEED, SEED + CATALOGUES))
def test_facets_count_what_the_reference_counts(searched: Database, seed: int, kind: type[QueryStore]) -> None:
    chance = random.Random(-seed)
    searched.run("TRUNCATE companies RESTART IDENTITY CASCADE")
    catalogue = Catalogue(searched).fill(chance, SIZE)
    naive, searcher, store = (
        naive_of(catalogue),
        Searcher(kind(searched), shipped_rates()),
        PostingStore(searched),
    )
    for _ in range(QUERIES):
        wanted = random_search(chance)
        for counted in searcher.facets(searcher.prepare(wanted), FACETS):
            names = store.labels([number for number, _ in counted.values])
            values = {
                (
                    f"{folded(names[number][0])}, {names[number][1]}".removesuffix(", ")
                    if number in names
                    else value_of(number)
                ): count
                for number, count in counted.values
            }
            assert counted.exact
            assert values == naive.facet(wanted, counted.facet), (seed, counted.facet, wanted)
