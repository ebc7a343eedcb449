"""Searches over HTTP in a small catalogue: results, order, facets, suggestions and refused parameters."""

from typing import Any

import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.jobs.upkeep.store import UpkeepStore
from tests.api_client import Api
from tests.conftest import LocalDatabase
from tests.integration.jobs.conftest import Recruiter

BERLIN = {"country": "DE", "city": "Berlin", "lat": 52.52, "lon": 13.4}
POTSDAM = {"country": "DE", "city": "Potsdam", "lat": 52.4, "lon": 13.07}
PARIS = {"country": "FR", "city": "Paris", "lat": 48.85, "lon": 2.35}
PARIS_IN_TEXAS = {"country": "US", "region": "Texas", "city": "Paris", "lat": 33.66, "lon": -95.56}

# name: the posting, the oldest first
OFFERS: dict[str, dict[str, Any]] = {
    "nurse": {
        "title": "Nurse for the night shift", "description": "<p>Caring for patients.</p>", "places": [BERLIN],
        "employment_type": ["full_time"], "workplace": "onsite", "skills": ["First aid", "German"],
        "seniority": "entry",
        "salary": {"min": 30_000, "max": 40_000, "currency": "EUR", "unit": "year"},
    },
    "manager": {
        "title": "Manager of nurses", "description": "<p>You lead twelve people.</p>", "places": [POTSDAM],
        "employment_type": ["full_time", "part_time"], "workplace": "hybrid", "skills": ["German"], "seniority": "lead",
        "salary": {"min": 20, "max": 40, "currency": "USD", "unit": "hour"},
    },
    "koch": {
        "title": "Köche für unsere Küche", "description": "<p>Kochen mit Äpfeln, in der Straße des Pflegers.</p>",
        "language": "de", "places": [BERLIN, PARIS], "employment_type": ["part_time"], "workplace": "onsite",
    },
    "développeur": {
        "title": "Développeuse C++", "description": "<p>Des développements embarqués pour les infirmières.</p>",
        "language": "fr", "places": [PARIS], "workplace": "remote", "eligible_countries": ["FR", "BE"],
        "skills": ["C++"],
    },
    "enfermera": {
        "title": "Enfermeras de noche", "description": "<p>Trabajo en el corazón de la ciudad, niños incluidos.</p>",
        "language": "es", "places": [], "workplace": "remote",
        "salary": {"max": 2_000, "currency": "EUR", "unit": "month"},
    },
    "plumber": {
        "title": "Plumber", "description": "<p>You help a nurse with pipes, at night.</p>", "places": [PARIS_IN_TEXAS],
        "employment_type": ["contract"], "workplace": "onsite", "seniority": "senior",
    },
}  # fmt: skip

# query: the names found, in order
TABLE: list[tuple[str, list[str]]] = [
    ("q=nurse", ["manager", "nurse", "plumber"]),
    ("q=Nurses", ["manager", "nurse", "plumber"]),
    ("q=nurse night", ["nurse", "plumber"]),
    ("q=nurse -night", ["manager"]),
    ("q=plumber OR manager", ["plumber", "manager"]),
    ("q=nurse patients OR pipes", ["plumber", "nurse"]),
    ('q="night shift"', ["nurse"]),
    ('q="shift night"', []),
    ('q="manager of nurses" lead', ["manager"]),
    ('q=nurse -"night shift"', ["manager", "plumber"]),
    ("q=nurs*", ["manager", "nurse", "plumber"]),
    ("q=nurs", ["manager", "nurse", "plumber"]),
    ("q=car&lang=en", []),
    ("q=cared", ["nurse"]),
    ("q=the nurse", ["manager", "nurse", "plumber"]),
    ("q=Koch&lang=de", ["koch"]),
    ("q=koche", ["koch"]),
    ("q=KÖCHE", ["koch"]),
    ("q=apfel&lang=de", ["koch"]),
    ("q=strasse", ["koch"]),
    ("q=Straße", ["koch"]),
    ("q=Kochlöffel&lang=de", []),
    ("q=développement&lang=fr", ["développeur"]),
    ("q=developpements", ["développeur"]),
    ("q=infirmière&lang=fr", ["développeur"]),
    ("q=c%2B%2B", ["développeur"]),
    ("q=enfermera&lang=es", ["enfermera"]),
    ("q=corazon", ["enfermera"]),
    ("q=ninos", ["enfermera"]),
    ("q=berlin", ["koch", "nurse"]),
    ("q=nurse&sort=published", ["plumber", "manager", "nurse"]),
    ("employment_type=part_time", ["koch", "manager"]),
    ("employment_type=part_time,contract", ["plumber", "koch", "manager"]),
    ("employment_type=part_time&employment_type=contract", ["plumber", "koch", "manager"]),
    ("workplace=remote", ["enfermera", "développeur"]),
    ("seniority=lead&seniority=senior", ["plumber", "manager"]),
    ("language=fr,es", ["enfermera", "développeur"]),
    ("skill=first aid&skill=c%2B%2B", ["développeur", "nurse"]),
    ("skill.all=german&skill.all=First Aid", ["nurse"]),
    ("skill.all=german&skill.all=unheard of", []),
    ("country=DE", ["koch", "manager", "nurse"]),
    ("country=DE&country=US", ["plumber", "koch", "manager", "nurse"]),
    ("city=paris", ["plumber", "développeur", "koch"]),
    ("city=Paris, FR", ["développeur", "koch"]),
    ("city=Paris, FR&city=Potsdam", ["développeur", "koch", "manager"]),
    ("region=texas", ["plumber"]),
    ("city=Atlantis", []),
    ("country=US&city=Berlin", ["plumber", "koch", "nurse"]),
    ("near=52.52,13.4&radius_km=10", ["koch", "nurse"]),
    ("near=52.52,13.4&radius_km=40", ["koch", "manager", "nurse"]),
    ("near=52.52,13.4&radius_km=10&country=US", ["plumber", "koch", "nurse"]),
    ("near=52.39,13.06&radius_km=100&sort=distance", ["manager", "nurse", "koch"]),
    ("near=52.39,13.06&radius_km=100&sort=distance&country=FR", ["manager", "nurse", "koch", "développeur"]),
    ("eligible_from=FR", ["développeur", "koch", "enfermera"]),
    ("eligible_from=BE&q=noche OR développeuse", ["développeur", "enfermera"]),
    ("eligible_from=PL", ["enfermera"]),
    ("salary_min=39000&salary_currency=EUR", ["manager", "nurse"]),
    ("salary_min=41000&salary_currency=EUR", ["manager"]),
    ("salary_min=2000&salary_currency=EUR&salary_unit=month", ["enfermera", "manager", "nurse"]),
    ("salary_min=39.9&salary_currency=USD&salary_unit=hour", ["manager"]),
    ("salary_min=41000&salary_currency=EUR&salary_unknown=include", ["plumber", "développeur", "koch", "manager"]),
    ("salary_unknown=exclude", ["enfermera", "manager", "nurse"]),
    ("sort=salary", ["manager", "nurse", "enfermera", "plumber", "développeur", "koch"]),
    ("posted_within_days=1", [*reversed(OFFERS)]),
    ("verified=true", []),
    ("", [*reversed(OFFERS)]),
]  # fmt: skip


class Board:
    """The postings of OFFERS in the service, and their names by id."""

    def __init__(self, api: Api, direct_url: str) -> None:
        self.api, self.direct_url = api, direct_url
        self.recruiter = Recruiter(api, "Mixed work")
        self.ids = {name: self.recruiter.offer(**said)["id"] for name, said in OFFERS.items()}
        self.names = {number: name for name, number in self.ids.items()}

    def answer(self, query: str) -> dict[str, Any]:
        answer = self.api.get(f"jobs?{query}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def count(self) -> None:
        """Update the counts, as the ticker does every minute."""
        database = Database(self.direct_url, DatabaseTuning(), prepared=False)
        UpkeepStore(database).count()
        database.close()

    def found(self, query: str) -> list[str]:
        return [self.names[item["id"]] for item in self.answer(query)["items"]]


@pytest.fixture(scope="module")
def board(api: Api, database: LocalDatabase) -> Board:
    return Board(api, database.direct_url)


@pytest.mark.parametrize(("query", "expected"), TABLE, ids=[query or "all" for query, _ in TABLE])
def test_search_finds_the_expected_postings(board: Board, query: str, expected: list[str]) -> None:
    assert board.found(query) == expected


@pytest.mark.parametrize(
    "query", ["", "q=nurse", "sort=salary", "near=52.39,13.06&radius_km=500&sort=distance", "eligible_from=FR"]
)
def test_pages_contain_all_results_in_order(board: Board, query: str) -> None:
    page = board.answer(f"{query}&limit=1")
    walked = list(page["items"])
    while page["next"] is not None:
        page = board.answer(f"{query}&limit=1&cursor={page['next']}")
        walked += page["items"]
    assert [board.names[item["id"]] for item in walked] == board.found(query)


def test_equal_answers_have_equal_tags(board: Board) -> None:
    first = board.api.fresh().get("jobs?q=nurse&total=true")
    second = board.api.fresh().send("GET", "jobs?q=nurse&total=true", headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.headers["ETag"]) == (304, first.headers["ETag"])
    assert board.api.get("jobs?q=plumber&total=true").headers["ETag"] != first.headers["ETag"]


def test_facets_leave_out_their_own_filter(board: Board) -> None:
    body = board.answer("country=DE&workplace=onsite&facets=country,workplace,skill,city,company,language")
    facets = {facet["id"]: {each["value"]: each["count"] for each in facet["values"]} for facet in body["facets"]}
    assert facets["country"] == {"DE": 2, "FR": 1, "US": 1}
    assert facets["workplace"] == {"onsite": 2, "hybrid": 1}
    assert facets["skill"] == {"First aid": 1, "German": 1}
    assert facets["city"] == {"Berlin, DE": 2, "Paris, FR": 1}
    assert facets["company"] == {str(board.recruiter.company_id): 2}
    labels = {each["value"]: each["label"] for facet in body["facets"] for each in facet["values"]}
    assert (labels["DE"], labels["de"], labels["Paris, FR"]) == ("Germany", "German", "Paris")
    assert all(facet["exact"] for facet in body["facets"])


def test_total_is_counted_on_request(board: Board) -> None:
    assert board.answer("q=nurse&limit=1&total=true")["total"] == {"value": 3, "exact": True}
    assert board.answer("q=nurse")["total"] is None


def test_fields_choose_what_is_shown(board: Board) -> None:
    (item,) = board.answer("q=plumber&limit=1&fields=description,state")["items"]
    assert set(item) == {"id", "title", "company", "description", "state", "also_at"}
    assert "description" not in board.answer("q=plumber&limit=1")["items"][0]


def test_a_misspelled_word_is_corrected(board: Board) -> None:
    board.count()
    body = board.answer("q=plumer")
    assert (body["items"], body["corrections"]) == ([], [{"word": "plumer", "did_you_mean": "plumber"}])
    assert board.answer("q=plumber")["corrections"] == []


def test_suggestions_complete_typed_text(board: Board) -> None:
    board.count()
    for typed, kind, expected in (
        ("night shi", "title", {"title": ["night shift"]}),
        ("pl", "title", {"title": ["plumber"]}),
        ("plumer", "title", {"title": ["plumber"]}),
        ("c%2B", "skill", {"skill": ["C++"]}),
        ("par", "place", {"place": ["Paris, FR", "Paris, US"]}),
        ("mixed", "company,skill", {"company": ["Mixed work"]}),
    ):
        found: dict[str, list[str]] = {}
        for each in board.api.get(f"jobs/suggest?q={typed}&kind={kind}").json()["suggestions"]:
            found.setdefault(each["kind"], []).append(each["text"])
        assert found == expected, typed


REFUSED: list[tuple[str, str, str, str | None]] = [
    ("limt=5", "limt", "unknown", "limit"),
    ("limit=0", "limit", "out_of_range", None),
    ("limit=101", "limit", "out_of_range", None),
    ("limit=5&limit=6", "limit", "repeated", None),
    ("q=", "q", "no_words", None),
    ("q=!!!", "q", "no_words", None),
    ("q=" + "a" * 201, "q", "too_long", None),
    ("lang=xx", "lang", "unknown_value", None),
    ("employment_type=fulltime", "employment_type", "unknown_value", "full_time"),
    ("workplace=remot", "workplace", "unknown_value", "remote"),
    ("country=Germany", "country", "unknown_value", "DE"),
    ("country=de", "country", "unknown_value", "DE"),
    ("company=acme", "company", "invalid", None),
    ("near=1", "near", "invalid", None),
    ("near=91,0", "near", "invalid", None),
    ("radius_km=5", "radius_km", "incomplete", None),
    ("near=1,1&radius_km=501", "radius_km", "out_of_range", None),
    ("sort=distance", "sort", "incomplete", None),
    ("sort=relevance", "sort", "incomplete", None),
    ("sort=salry", "sort", "unknown_value", "salary"),
    ("salary_min=5", "salary_min", "incomplete", None),
    ("salary_min=5&salary_currency=EUX", "salary_currency", "unknown_value", None),
    ("salary_min=5&salary_currency=KPW", "salary_currency", "no_rate", None),
    ("posted_within_days=0", "posted_within_days", "out_of_range", None),
    ("facets=skills", "facets", "unknown_value", "skill"),
    ("fields=titel", "fields", "unknown_value", "title"),
    ("total=yes", "total", "unknown_value", None),
    ("cursor=abc", "cursor", "invalid", None),
    ("skill=%E2%80%8D", "skill", "invalid", None),
    ("city=a%0Ab", "city", "invalid", None),
    ("region=" + "a" * 101, "region", "invalid", None),
]


@pytest.mark.parametrize(("query", "field", "code", "meant"), REFUSED, ids=[query[:30] for query, *_ in REFUSED])
def test_invalid_parameter_is_refused_by_name(
    board: Board, query: str, field: str, code: str, meant: str | None
) -> None:
    answer = board.api.get(f"jobs?{query}")
    assert answer.status_code == 422, answer.text
    assert [(each["field"], each["code"]) for each in answer.json()["fields"]] == [(field, code)]
    if meant is not None:
        assert answer.json()["fields"][0]["did_you_mean"] == meant


@pytest.mark.parametrize(
    ("kinds", "code"), [("title,skill,company,place,title", "too_many"), ("title,skil", "unknown_value")]
)
def test_suggestions_refuse_bad_kinds(board: Board, kinds: str, code: str) -> None:
    answer = board.api.get(f"jobs/suggest?q=a&kind={kinds}")
    assert (answer.status_code, [each["code"] for each in answer.json()["fields"]]) == (422, [code])


@pytest.mark.parametrize("name", ["company", "company.not"])
def test_search_takes_every_company_id(board: Board, name: str) -> None:
    query = f"{name}=9223372036854775807,52002940719188664,550517929,134217728"
    answer = board.api.get(f"jobs?{query}&facets=company&total=true")
    assert answer.status_code == 200
    assert bool(answer.json()["items"]) == (name == "company.not")


def test_cursor_works_only_with_its_search(board: Board) -> None:
    cursor = board.answer("q=nurse&limit=1")["next"]
    assert board.api.get(f"jobs?q=nurse&limit=2&total=true&cursor={cursor}").status_code == 200
    other = board.api.get(f"jobs?q=plumber&cursor={cursor}")
    assert [(each["field"], each["code"]) for each in other.json()["fields"]] == [("cursor", "other_search")]
    forged = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    assert board.api.get(f"jobs?q=nurse&cursor={forged}").json()["fields"][0]["code"] == "invalid"


def test_default_language_is_that_of_accept_language(board: Board) -> None:
    headers = {"Accept-Language": "tlh, de-AT;q=0.9, en;q=0.8"}
    answer = board.api.send("GET", "jobs?q=Küchen", headers=headers)
    assert [board.names[item["id"]] for item in answer.json()["items"]] == ["koch"]
    assert board.found("q=Küchen&lang=en") == []
