"""Searches in a catalogue with set times and companies: ties, ages, companies, units of salaries, words of languages.

Each search runs in every form of the query, in pages of one result and of twenty.
"""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.query.pages.store import Key
from app.jobs.query.parameters import read
from app.jobs.query.plan import Form
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.schemas import FIELDS, Place, Posting, Salary
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import NOW, Catalogue, detail

BERLIN, PARIS = Place("DE", "Berlin", "Berlin", 52.5244, 13.4105), Place("FR", None, "Paris", 48.8534, 2.3488)
FORMS: tuple[Form, ...] = ("walk", "gin", "slices")
SAME: dict[str, Any] = {"salary": Salary("EUR", "year", None, 40_000), "places": (BERLIN,)}

# name: company, age in days, title, text, and the rest; the first one has the least id, company 1 is verified
POSTINGS: dict[str, tuple[int, int, str, str, dict[str, Any]]] = {
    "tie 1": (1, 1, "Tiler", "One bathroom", SAME),
    "tie 2": (2, 1, "Tiler", "Two bathrooms", SAME),
    "tie 3": (1, 1, "Tiler", "Three kitchens", SAME),
    "day": (2, 2, "Painter", "Walls", {"salary": Salary("GBP", "day", 150, 200)}),
    "week": (2, 3, "Joiner", "Doors", {"salary": Salary("EUR", "week", 700, None), "places": (PARIS,)}),
    "hour": (3, 4, "Smith", "Next to a painter", {"salary": Salary("USD", "hour", None, 20)}),
    "month": (3, 5, "Mason", "Bricks", {"salary": Salary("EUR", "month", 2_000, 3_000)}),
    "no rate": (3, 6, "Glazier", "Windows", {"salary": Salary("KPW", "year", 1, 9_000_000)}),
    "german": (1, 8, "Pflegekräfte", "Für die Straßen der Größe nach", {"language": "de", "places": (BERLIN, PARIS)}),
    "french": (2, 9, "Ingénieures expérimentées", "Cœur de métier", {"language": "fr", "places": (PARIS,)}),
    "spanish": (3, 10, "Camareros", "Los cafés del señor", {"language": "es"}),
    "old": (3, 40, "Roofer", "Roofs and tilers", {"employment_type": ("full_time",)}),
}

TABLE: list[tuple[str, list[str]]] = [
    # ties: the greatest id first, of equal distances the least one
    ("q=bathroom", ["tie 2", "tie 1"]),
    ("skill=none", []),
    ("company=1", ["tie 3", "tie 1", "german"]),
    ("q=tiler", ["tie 3", "tie 2", "tie 1", "old"]),
    ("q=tiler&sort=published", ["tie 3", "tie 2", "tie 1", "old"]),
    ("q=tiler&sort=salary", ["tie 3", "tie 2", "tie 1", "old"]),
    ("near=52.5,13.4&radius_km=50&sort=distance", ["tie 1", "tie 2", "tie 3", "german"]),
    # words
    ("q=tiler kitchens", ["tie 3"]),
    ("q=tiler -kitchen", ["tie 2", "tie 1", "old"]),
    ("q=kitchens OR doors", ["tie 3", "week"]),
    ("q=mason or roofer", ["month", "old"]),
    ("q=tiler -bathroom OR glazier", ["tie 3", "no rate", "old"]),
    ("q=painter", ["day", "hour"]),
    ('q="next painter"', []),
    ('q="painter"', ["day", "hour"]),
    ('q=-"ingénieures expérimentées" language&language=fr', []),
    ("q=-tiler&company=1", ["german"]),
    # stems, umlauts and accents
    ("q=tilers", ["tie 3", "tie 2", "tie 1", "old"]),
    ("q=pflegekraft&lang=de", ["german"]),
    ("q=pflegekrafte", ["german"]),
    ("q=PFLEGEKRÄFTEN&lang=de", ["german"]),
    ("q=pflege&lang=de", []),
    ("q=pflege*&lang=de", ["german"]),
    ("q=strassen grosse", ["german"]),
    ("q=straße&lang=de", ["german"]),
    ("q=ingénieur expérimenté&lang=fr", ["french"]),
    ("q=ingenieures", ["french"]),
    ("q=coeur", ["french"]),
    ("q=expérimentés&lang=fr", ["french"]),
    ("q=expérimentés&lang=en", []),
    ("q=camarera&lang=es", ["spanish"]),
    ("q=camarera&lang=en", []),
    ("q=senor cafes", ["spanish"]),
    ("q=los camareros&lang=es", ["spanish"]),
    # companies and age
    ("company=3&company=2&salary_unknown=exclude", ["tie 2", "day", "week", "hour", "month"]),
    ("company.not=1&q=tiler", ["tie 2", "old"]),
    ("company.not=2,3&country=DE", ["tie 3", "tie 1", "german"]),
    ("company=1&company.not=1", []),
    ("verified=true", ["tie 3", "tie 1", "german"]),
    ("verified=false&q=tiler", ["tie 3", "tie 2", "tie 1", "old"]),
    ("posted_within_days=2&q=tiler", ["tie 3", "tie 2", "tie 1"]),
    ("posted_within_days=7&company=3", ["hour", "month", "no rate"]),
    ("posted_within_days=30&q=tiler OR roofer", ["tie 3", "tie 2", "tie 1"]),
    # salaries: 200 pounds a day are some 60,000 euros a year, 20 dollars an hour some 38,000
    ("sort=salary&salary_unknown=exclude", ["day", "tie 3", "tie 2", "tie 1", "hour", "week", "month"]),
    ("sort=salary&company=3", ["hour", "month", "no rate", "spanish", "old"]),
    ("salary_min=700&salary_currency=EUR&salary_unit=week&company.not=1", ["tie 2", "day", "week", "hour"]),
    ("salary_min=150&salary_currency=EUR&salary_unit=day&company=3", []),
    ("salary_min=199.9&salary_currency=GBP&salary_unit=day", ["day"]),
    ("salary_min=3001&salary_currency=EUR&salary_unit=month&company=3", ["hour"]),
    ("salary_min=3001&salary_currency=EUR&salary_unit=month&company=3&salary_unknown=include",
     ["hour", "no rate", "spanish", "old"]),
    ("salary_unknown=exclude&company=3", ["hour", "month"]),
    # filters together: different ones are AND, places are one OR group
    ("company=2&country=FR", ["week", "french"]),
    ("country=FR&near=52.5,13.4&radius_km=50&company=2", ["tie 2", "week", "french"]),
    ("country=FR&language=de&q=pflegekräfte", ["german"]),
    ("employment_type=full_time&q=tiler", ["old"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def searched(database: LocalDatabase) -> Iterator[Catalogue]:
    opened = Database(database.direct_url, DatabaseTuning(), prepared=False)
    catalogue = Catalogue(opened)
    for company, age, title, text, said in POSTINGS.values():
        catalogue.add(
            Posting(
                id=0, company_id=company, state="open", version=1, title=title, description=f"<p>{text}</p>",
                detail=detail(**said), published_at=NOW - timedelta(days=age), valid_through=NOW + timedelta(days=30),
                first_seen_at=NOW, content_changed_at=NOW,
            )
        )  # fmt: skip
    yield catalogue
    opened.close()


@pytest.fixture(scope="module")
def searchers(searched: Catalogue) -> dict[Form, Searcher]:
    return {form: Searcher(QueryStore(searched.database, form), shipped_rates()) for form in FORMS}


def walk(searcher: Searcher, query: str, rows: int) -> list[int]:
    """The ids of all results, read in pages of `rows`."""
    prepared = searcher.prepare(read(parse_qs(query), "en", FIELDS))
    after: Key | None = None
    walked: list[int] = []
    while page := searcher.page(prepared, rows, after).rows:
        walked += [row.id for row in page]
        after = page[-1].key
    return walked


@pytest.mark.parametrize(("query", "expected"), TABLE, ids=[query for query, _ in TABLE])
def test_search_finds_the_expected_postings(
    searched: Catalogue, searchers: dict[Form, Searcher], query: str, expected: list[str]
) -> None:
    names = dict(zip((each.id for each in searched.postings), POSTINGS, strict=True))
    for form, rows in itertools.product(FORMS, (1, 20)):
        assert [names[number] for number in walk(searchers[form], query, rows)] == expected, (form, rows)
