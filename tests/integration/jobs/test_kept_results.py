"""Results of searches are kept while nothing that they depend on has changed, and not a moment longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.companies.schemas import CompanyPatch
from app.config import SearchCache
from app.jobs.schemas import Place
from tests.integration.coherence.workers import eventually
from tests.integration.jobs.test_keys import ME
from tests.integration.jobs.workers import Worker, stock

SEARCHES = (
    "q=nurse&total=true&facets=company,city,skill,employment_type",
    "country=DE,AT&limit=1",
    "city=Berlin, DE",
    "eligible_from=DE&sort=published",
    "near=52.5,13.4&sort=distance&radius_km=50",
    "verified=true&posted_within_days=3",
    "q=nothing-like-this&country=FR",
    "skill=Unheard-of",
)


def test_repeated_search_costs_no_statement_on_any_worker(workers: list[Worker]) -> None:
    first, second = workers
    stock(first)
    for query in SEARCHES:
        found = first.search(query)
        assert [first.cost(query) for _ in range(3)] == [0, 0, 0], query
        assert first.search(query) == second.search(query) == found, query
    fresh = [(query, second.cost(query)) for query in SEARCHES]
    assert fresh == [(query, 0) for query in SEARCHES]


@pytest.mark.parametrize(
    ("said", "touched"),
    [
        ({"places": (Place("DE", city="Berlin"),)}, {0, 1, 2, 3, 4, 5, 7}),
        ({"places": (Place("FR", city="Paris"),)}, {0, 4, 5, 6, 7}),
        ({"workplace": "remote", "eligible_countries": ("DE",)}, {0, 1, 2, 3, 4, 5, 7}),
        ({"workplace": "remote"}, {0, 3, 4, 5, 7}),
    ],
)
def test_a_change_makes_only_searches_anew_that_it_might_be_found_by(
    workers: list[Worker], said: dict[str, Any], touched: set[int]
) -> None:
    first, second = workers
    stock(first)
    for query in SEARCHES:
        second.search(query)
    first.offer(seniority="lead", **said)
    assert {number for number, query in enumerate(SEARCHES) if second.cost(query)} == touched


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("q=nurse", {}),
        ("city=Atlantis", {"places": (Place("FR", city="Atlantis"),)}),
        ("city=Atlantis, FR", {"places": (Place("FR", city="Atlantis"),)}),
        ("skill=Unheard-of", {"skills": ("Unheard-of",)}),
        ("eligible_from=US", {"workplace": "remote"}),
        ("company=1&total=true&facets=company", {}),
    ],
)
def test_empty_result_is_replaced_by_the_first_match(workers: list[Worker], query: str, said: dict[str, Any]) -> None:
    first, second = workers
    assert [worker.ids(query) for worker in workers] == [[], []]
    job = first.offer(**said)
    assert [worker.ids(query) for worker in workers] == [[job], [job]]
    second.patch(job, state="closed")
    assert [worker.ids(query) for worker in workers] == [[], []]


def test_city_of_that_name_in_another_country_is_found_at_once(workers: list[Worker]) -> None:
    first, second = workers
    job = first.offer(places=(Place("FR", city="Paris"),))
    assert second.ids("city=Paris") == [job]
    other = first.offer(places=(Place("US", city="Paris"),), seniority="lead")
    assert second.ids("city=Paris") == [other, job]


def test_renamed_company_is_shown_without_searching_anew(workers: list[Worker]) -> None:
    first, second = workers
    stock(first)
    query = "q=nurse&facets=company"
    second.search(query)
    first.companies.change(first.company, first.user, CompanyPatch(name="Renamed"), None)
    before = second.database.statements
    found = second.search(query)
    assert {item["company"]["name"] for item in found["items"]} == {"Renamed"}
    assert found["facets"][0]["values"][0]["label"] == "Renamed"
    assert second.database.statements - before == 2, "the company, and the postings, which rest on it"
    first.companies.verify(first.company, True, first.user, ME)
    assert len(second.ids("verified=true")) == 5


def test_change_of_a_hidden_duplicate_is_shown_at_once(workers: list[Worker]) -> None:
    first, second = workers
    later, sooner = datetime.now(UTC) + timedelta(days=9), datetime.now(UTC) + timedelta(days=8)
    shown = first.offer(places=(Place("DE"), Place("FR")), valid_through=later)
    hidden = [first.offer(places=(Place("FR", city=city),), valid_through=sooner) for city in ("Lyon", "Paris", "Lyon")]
    (item,) = second.search("country=DE")["items"]
    assert (item["id"], item["also_at"][-1]["places"][0]["city"]) == (shown, "Lyon")
    first.patch(hidden[-1], places=(Place("FR", city="Paris"),))
    (item,) = second.search("country=DE")["items"]
    assert item["also_at"][-1]["places"][0]["city"] == "Paris"


@pytest.mark.parametrize("query", ["country=DE", "total=true", "q=nurse&total=true&facets=country"])
def test_result_ends_with_the_first_posting_that_it_counts(workers: list[Worker], query: str) -> None:
    first, second = workers
    until = datetime.now(UTC) + timedelta(seconds=0.8)
    ending = first.offer(places=(Place("DE"),), valid_through=until)
    lasting = first.offer(places=(Place("DE"),), seniority="lead")
    assert second.ids(f"{query}&limit=1&facets=company" if "facets" not in query else f"{query}&limit=1") == [lasting]
    assert set(second.ids(query)) == {ending, lasting}
    eventually(lambda: datetime.now(UTC) >= until)
    found = second.search(query)
    assert [item["id"] for item in found["items"]] == [lasting]
    assert (found["total"] or {"value": 1})["value"] == 1
    assert [value["count"] for facet in found["facets"] for value in facet["values"]] in ([], [1])


def test_result_ends_at_the_edge_of_the_days_asked_for(workers: list[Worker]) -> None:
    first, second = workers
    job = first.offer()
    first.database.run("UPDATE posting SET published_at = now() - interval '1 day' + interval '0.8 s'")
    edge = datetime.now(UTC) + timedelta(seconds=0.8)
    second.coherence.drain()
    assert second.ids("posted_within_days=1") == [job]
    eventually(lambda: datetime.now(UTC) >= edge)
    assert second.ids("posted_within_days=1") == []


def test_stale_result_shows_nothing_that_is_closed(workers: list[Worker]) -> None:
    first = workers[0]
    later, sooner = datetime.now(UTC) + timedelta(days=9), datetime.now(UTC) + timedelta(days=8)
    staying, closing = first.offer(openings=2), first.offer(seniority="lead")
    shown = first.offer(places=(Place("DE"),), seniority="mid", valid_through=later)
    twins = [first.offer(places=(Place("FR", city=city),), seniority="mid", valid_through=sooner) for city in "AB"]
    for worker in workers:
        worker.board.searches.apply(SearchCache(500, 3600, 60_000))
    before = first.search("q=nurse&total=true")
    assert [item["id"] for item in before["items"]] == [shown, closing, staying]
    first.patch(closing, state="closed")
    first.patch(twins[0], state="closed")
    first.patch(twins[1], places=(Place("FR", city="C"),))
    first.offer(seniority="entry")
    for worker in workers:
        found = worker.search("q=nurse&total=true")
        assert [item["id"] for item in found["items"]] == [shown, staying]
        assert [each["places"][0]["city"] for each in found["items"][0]["also_at"]] == ["C"]
        assert (found["as_of"], found["total"]) == (before["as_of"], before["total"])
        assert worker.board.searches.search({"q": ["nurse"], "total": ["true"]}, "")[1] is not None
    for worker in workers:
        worker.board.searches.apply(SearchCache(500, 3600))
        assert len(worker.ids("q=nurse&total=true")) == 3


def test_sealed_pages_are_kept_too(workers: list[Worker]) -> None:
    first, second = workers
    stock(first)
    cursor = first.search("limit=2&sort=published")["next"]
    page = f"limit=2&sort=published&cursor={cursor}"
    ids = first.ids(page)
    assert len(ids) == 2
    assert second.cost(page) == second.cost(page) == 0
    assert second.ids(f"{page}&fields=title") == ids
