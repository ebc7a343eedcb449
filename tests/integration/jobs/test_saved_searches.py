"""Saved searches: each is its account's own, finds what GET /jobs finds, and tells what is new."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.api_client import Api, Person
from tests.integration.jobs.conftest import Recruiter


def save(person: Person, query: str, name: str = "Mine", headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = person.send("POST", "saved-searches", headers, json={"name": name, "query": query})
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


def matches(person: Person, search: dict[str, Any], page: str = "") -> dict[str, Any]:
    answer = person.get(f"saved-searches/{search['id']}/matches{page}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_search_is_saved_read_changed_and_deleted(api: Api) -> None:
    person = api.person()
    search = save(person, "?country=DE&q=nurse", "Nurses")
    assert (search["name"], parse_qs(search["query"])) == (
        "Nurses", {"q": ["nurse"], "lang": ["en"], "country": ["DE"]}
    )  # fmt: skip
    path = f"saved-searches/{search['id']}"
    assert person.get(path).json() == search
    assert person.get("saved-searches").json() == {"saved_searches": [search]}
    changed = person.send("PATCH", path, json={"name": "Carers", "query": "q=carer&lang=de"})
    assert (changed.json()["name"], changed.json()["query"]) == ("Carers", "q=carer&lang=de")
    assert changed.json()["version"] == search["version"] + 1
    stale = person.send("PATCH", path, {"If-Match": f'"{search["id"]}-{search["version"]}"'}, json={"name": "Old"})
    assert stale.status_code == 412
    assert person.send("DELETE", path).status_code == 204
    assert person.get(path).status_code == person.send("DELETE", path).status_code == 404


def test_language_of_the_words_is_that_of_when_it_was_saved(api: Api) -> None:
    search = save(api.person(), "q=Pfleger", headers={"Accept-Language": "de"})
    assert search["query"] == "q=Pfleger&lang=de"


def test_nobody_elses_search_can_be_seen_or_changed(api: Api, stranger: Person) -> None:
    person = api.person()
    path = f"saved-searches/{save(person, 'q=nurse')['id']}"
    answers = [
        stranger.get(path),
        stranger.get(f"{path}/matches"),
        stranger.send("PATCH", path, json={"name": "Theirs"}),
        stranger.send("DELETE", path),
    ]
    assert [each.status_code for each in answers] == [404] * 4
    assert api.get(path).status_code == 401
    assert person.get(path).json()["name"] == "Mine"


def test_matches_are_those_of_the_search_and_new_ones_are_counted(api: Api, recruiter: Recruiter) -> None:
    person = api.person()
    old = recruiter.offer(title="Lighthouse keeper", skills=["Light"])
    search = save(person, "q=lighthouse+keeper&sort=published")
    assert matches(person, search)["new"] == {"value": 0, "exact": True}
    fresh = [recruiter.offer(title=f"Lighthouse keeper {number}", skills=["Light"]) for number in range(2)]
    recruiter.offer(title="Beekeeper")
    found = matches(person, search)
    expected = api.get(f"jobs?{search['query']}").json()
    assert found["items"] == expected["items"]
    assert [item["id"] for item in found["items"]] == [fresh[1]["id"], fresh[0]["id"], old["id"]]
    assert (found["new"]["value"], found["seen_at"]) == (2, search["seen_at"])
    first = matches(person, search, "?limit=1")
    second = matches(person, search, f"?limit=2&cursor={first['next']}")
    assert [item["id"] for item in first["items"] + second["items"]] == [item["id"] for item in found["items"]]
    seen = person.send("PATCH", f"saved-searches/{search['id']}", json={"seen_at": found["as_of"]})
    assert seen.status_code == 200
    assert matches(person, search)["new"]["value"] == 0
    recruiter.patch(fresh[0]["id"], state="closed")
    assert fresh[0]["id"] not in [item["id"] for item in matches(person, search)["items"]]


def test_preview_tells_what_would_be_found(api: Api, recruiter: Recruiter) -> None:
    offered = [recruiter.offer(title=f"Falconer {number}", skills=["Falcons"])["id"] for number in range(7)]
    api.query(
        "UPDATE posting SET published_at = now() - interval '8 days' WHERE id = ANY (%s) RETURNING 1", (offered[:2],)
    )
    answer = api.person().send("POST", "saved-searches/preview", json={"query": "q=falconer"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["query"], told["total"]["value"], told["of_7_days"]["value"]) == ("q=falconer&lang=en", 7, 5)
    assert [item["id"] for item in told["items"]] == offered[:1:-1]


def explain(person: Person, search: dict[str, Any], job_id: int) -> dict[str, Any]:
    answer = person.get(f"saved-searches/{search['id']}/explain?job_id={job_id}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_explanation_names_the_clauses_that_do_not_hold(api: Api, recruiter: Recruiter) -> None:
    person = api.person()
    query = (
        "q=glazier&country=DE&near=48.1,11.6&radius_km=20&employment_type=part_time&salary_min=1&salary_currency=EUR"
    )
    search = save(person, f"{query}&skill=Unheard-of+glass&sort=published")
    job = recruiter.offer(
        title="Glazier", places=[{"country": "AT", "city": "Wien"}], employment_type=["part_time"], skills=["Glass"]
    )
    told = explain(person, search, job["id"])
    assert (told["job_id"], told["shown_as"], told["found"]) == (job["id"], None, False)
    assert {tuple(sorted(each["parameters"])): each["holds"] for each in told["clauses"]} == {
        ("lang", "q"): True,
        ("country", "near", "radius_km"): False,
        ("employment_type",): True,
        ("salary_currency", "salary_min"): False,
        ("skill",): False,
    }
    near = recruiter.offer(
        title="Glazier",
        places=[{"country": "AT", "city": "Wien"}, {"country": "DE", "city": "Munich"}],
        employment_type=["part_time"],
        skills=["Unheard-of glass"],
        salary={"min": 5, "max": 9, "currency": "EUR", "unit": "hour"},
    )
    assert explain(person, search, near["id"])["found"]
    assert near["id"] in [item["id"] for item in matches(person, search)["items"]]


def test_near_duplicate_is_explained_as_what_is_shown_in_its_place(api: Api, recruiter: Recruiter) -> None:
    person = api.person()
    search = save(person, "q=thatcher&city=Graz")
    until = ["2199-01-02T00:00:00Z", "2199-01-01T00:00:00Z"]
    jobs = [
        recruiter.offer(title="Thatcher", places=[{"country": "AT", "city": city}], valid_through=end)["id"]
        for city, end in zip(("Linz", "Graz"), until, strict=True)
    ]
    assert [item["id"] for item in matches(person, search)["items"]] == jobs[:1]
    assert [(each["shown_as"], each["found"]) for each in (explain(person, search, job) for job in jobs)] == [
        (None, True), (jobs[0], True)
    ]  # fmt: skip


def test_only_what_may_be_read_is_explained(api: Api, recruiter: Recruiter) -> None:
    person = api.person()
    path = f"saved-searches/{save(person, 'q=nurse')['id']}/explain"
    draft, job = recruiter.offer(state="draft")["id"], recruiter.offer()["id"]
    recruiter.patch(job, state="closed")
    answers = [person.get(f"{path}{asked}").status_code for asked in (f"?job_id={draft}", f"?job_id={job}", "")]
    assert answers == [404, 200, 400]
    assert person.get(f"{path}?job_id=99999999").status_code == 404
    own = save(recruiter.person, "q=nurse")
    assert not explain(recruiter.person, own, job)["found"]


@pytest.mark.parametrize(
    ("query", "field", "code", "meant"),
    [
        ("q=nurse&cuntry=DE", "query.cuntry", "unknown", "country"),
        ("q=nurse&workplace=remot", "query.workplace", "unknown_value", "remote"),
        ("q=nurse&limit=5", "query.limit", "of_a_page", None),
        ("q=nurse&cursor=abc", "query.cursor", "of_a_page", None),
        ("radius_km=5", "query.radius_km", "incomplete", None),
        ("nurse", "query", "invalid", None),
        ("q=%ff", "query", "invalid", None),
        ("q=", "query.q", "no_words", None),
    ],
)
def test_query_that_is_no_search_is_refused(
    api: Api, stranger: Person, query: str, field: str, code: str, meant: str | None
) -> None:
    for path, body in (
        ("saved-searches", {"name": "Mine", "query": query}),
        ("saved-searches/preview", {"query": query}),
    ):
        answer = stranger.send("POST", path, json=body)
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["fields"]
        assert (error["field"], error["code"], error.get("did_you_mean")) == (field, code, meant)
    assert stranger.get("saved-searches").json() == {"saved_searches": []}


def test_nothing_can_be_seen_before_it_comes(api: Api) -> None:
    person = api.person()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = person.send("PATCH", f"saved-searches/{save(person, '')['id']}", json={"seen_at": later})
    assert (answer.status_code, answer.json()["fields"][0]["code"]) == (422, "in_the_future")


def test_account_has_fifty_searches_at_most_however_many_come_at_once(api: Api) -> None:
    person = api.person()
    api.query(
        "INSERT INTO saved_search (user_id, name, query) SELECT %s, 'One', '' FROM generate_series(1, 47) RETURNING 1",
        (person.id,),
    )

    def once(number: int) -> int:
        body = {"name": f"Search {number}", "query": "q=nurse"}
        headers = {"Authorization": f"Bearer {person.token}"}
        return api.fresh().send("POST", "saved-searches", json=body, headers=headers).status_code

    with ThreadPoolExecutor(10) as threads:
        assert sorted(threads.map(once, range(10))) == [201] * 3 + [409] * 7
    assert len(person.get("saved-searches").json()["saved_searches"]) == 50


def test_searches_go_with_the_account(api: Api) -> None:
    person = api.person()
    save(person, "q=nurse")
    assert person.send("DELETE", "users/me", json={"password": "a long walk in the rain"}).status_code == 204
    assert api.query("SELECT count(*) FROM saved_search WHERE user_id = %s", (person.id,)) == [(0,)]
