"""Postings: permissions, states, validation and duplicates."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api_client import Api, Person
from tests.integration.coherence.workers import eventually
from tests.integration.jobs.conftest import Recruiter

LENGTHEN = """
UPDATE posting_text SET description = repeat(U&'\\+01F600', 49000) WHERE posting_id = ANY (%s) RETURNING 1
"""


def found(api: Api, query: str) -> list[int]:
    answer = api.fresh().get(f"jobs?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_open_posting_is_public(api: Api, recruiter: Recruiter) -> None:
    job = recruiter.offer(
        title="Head of Knitting",
        description="<p onclick='x'>You <script>x</script>knit.</p>",
        places=[{"country": "DE", "city": "München"}],
        skills=["Wool", " wool "],
        salary={"min": 10, "max": 20, "currency": "EUR", "unit": "hour"},
        language=None,
    )
    assert job["description"] == "<p>You knit.</p>"
    assert (job["state"], job["language"], job["skills"], job["version"]) == ("open", "en", ["Wool"], 2)
    assert job["company"]["id"] == recruiter.company_id
    assert (round(job["places"][0]["lat"]), round(job["places"][0]["lon"])) == (48, 12)
    for _ in range(4):
        answer = api.fresh().get(f"jobs/{job['id']}")
        assert (answer.status_code, answer.json()) == (200, job)
    assert found(api, "q=knitting") == [job["id"]]
    assert api.get(f"jobs/batch?ids={job['id']},99999999").json() == {"jobs": [job], "missing": [99999999]}


def test_batch_of_very_long_postings_is_refused(api: Api, recruiter: Recruiter) -> None:
    said = {"description": "<p>You read.</p>", "language": "en"}
    lines = [json.dumps(said | {"external_id": f"long-{n}", "title": f"Reader {n}"}) for n in range(44)]
    headers, path = {"Content-Type": "application/x-ndjson"}, f"companies/{recruiter.company_id}/jobs/import?source=ats"
    reports = recruiter.person.send("POST", path, headers, data="\n".join(lines)).text.splitlines()
    ids = [str(json.loads(each)["id"]) for each in reports]
    assert len(api.query(LENGTHEN, ([*map(int, ids)],))) == 44
    assert api.get(f"jobs/batch?ids={','.join(ids)}").status_code == 400
    assert len(api.get(f"jobs/batch?ids={','.join(ids[:42])}").json()["jobs"]) == 42


def test_bad_token_is_refused_on_public_endpoints(api: Api, recruiter: Recruiter) -> None:
    for path in ("jobs", "jobs/batch?ids=1", "jobs/suggest?q=a", f"jobs/{recruiter.offer()['id']}"):
        assert api.get(path, "nonsense").status_code == 401


def test_draft_is_visible_only_to_members(
    api: Api, recruiter: Recruiter, stranger: Person
) -> None:  # fmt: skip
    job = recruiter.offer(title="Secret plumber", state="draft")
    path = f"jobs/{job['id']}"
    assert (job["state"], job["published_at"]) == ("draft", None)
    assert recruiter.person.get(path).json() == job
    assert api.get(path).status_code == stranger.get(path).status_code == 404
    assert stranger.send("PATCH", path, json={"title": "Mine"}).status_code == 404
    assert found(api, "q=plumber") == []
    opened = recruiter.patch(job["id"], state="open")
    assert (opened.status_code, opened.json()["state"]) == (200, "open")
    assert found(api, "q=plumber") == [job["id"]]


def test_only_a_draft_can_be_deleted(api: Api, recruiter: Recruiter, stranger: Person) -> None:
    draft, job = recruiter.offer(state="draft"), recruiter.offer()
    assert stranger.send("DELETE", f"jobs/{job['id']}").status_code == 403
    refused = recruiter.person.send("DELETE", f"jobs/{job['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert recruiter.person.send("DELETE", f"jobs/{draft['id']}").status_code == 204
    assert recruiter.person.get(f"jobs/{draft['id']}").status_code == 404


def test_closed_posting_is_gone_except_for_members(api: Api, recruiter: Recruiter, stranger: Person) -> None:
    job = recruiter.offer(title="Falconer")
    path = f"jobs/{job['id']}"
    assert stranger.get(path).status_code == 200
    assert recruiter.patch(job["id"], state="closed").json()["state"] == "closed"
    for _ in range(4):
        answer = api.fresh().get(path)
        assert (answer.status_code, answer.json()["code"]) == (410, "gone")
        assert found(api, "q=falconer") == []
    assert recruiter.person.get(path).json()["state"] == "closed"
    assert api.get(f"jobs/batch?ids={job['id']}").json()["missing"] == [job["id"]]
    assert api.get(f"{path}/similar").status_code == 410
    again = recruiter.patch(job["id"], state="open").json()
    assert (again["state"], again["published_at"]) == ("open", job["published_at"])
    assert found(api, "q=falconer") == [job["id"]]


def test_expired_posting_is_not_found_before_the_ticker_runs(api: Api, recruiter: Recruiter) -> None:
    job = recruiter.offer(title="Lamplighter")
    assert found(api, "q=lamplighter") == [job["id"]]
    until = datetime.now(UTC) + timedelta(seconds=1)
    assert recruiter.patch(job["id"], valid_through=until.isoformat()).status_code == 200
    assert found(api, "q=lamplighter") == [job["id"]]
    eventually(lambda: datetime.now(UTC) >= until)
    assert found(api, "q=lamplighter") == []
    refused = recruiter.patch(job["id"], state="open")
    assert [(each["field"], each["code"]) for each in refused.json()["fields"]] == [("valid_through", "in_the_past")]
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert recruiter.patch(job["id"], state="open", valid_through=later).status_code == 200
    assert found(api, "q=lamplighter") == [job["id"]]


def test_a_lost_update_is_refused(recruiter: Recruiter) -> None:
    job = recruiter.offer()
    tag = recruiter.person.get(f"jobs/{job['id']}").headers["ETag"]
    assert recruiter.patch(job["id"], {"If-Match": tag}, title="Cook").status_code == 200
    second = recruiter.patch(job["id"], {"If-Match": tag}, title="Baker")
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert recruiter.person.get(f"jobs/{job['id']}").json()["title"] == "Cook"


def test_patch_of_a_posting_keeps_fields_that_are_left_out(recruiter: Recruiter) -> None:
    job = recruiter.offer(seniority="lead", skills=["Go"], salary={"max": 5, "currency": "EUR", "unit": "hour"})
    changed = recruiter.patch(job["id"], seniority=None, openings=3).json()
    assert (changed["seniority"], changed["skills"], changed["openings"]) == (None, ["Go"], 3)
    assert changed["salary"] == job["salary"]


def test_a_company_is_renamed_and_closed_with_its_postings(api: Api) -> None:
    owner = Recruiter(api, "Before Ltd")
    job = owner.offer(title="Glassblower")
    company = f"companies/{owner.company_id}"
    assert owner.person.send("PATCH", company, json={"name": "After Ltd"}).status_code == 200
    for _ in range(4):
        assert api.fresh().get(f"jobs/{job['id']}").json()["company"]["name"] == "After Ltd"
    assert owner.person.send("DELETE", company).status_code == 204
    for _ in range(4):
        assert api.fresh().get(f"jobs/{job['id']}").status_code in (404, 410)
        assert found(api, "q=glassblower") == []


def test_members_list_every_state_in_pages(recruiter: Recruiter, stranger: Person) -> None:
    path = f"companies/{recruiter.company_id}/jobs"
    jobs = [recruiter.offer(state=state)["id"] for state in ("draft", "open", "draft")]
    assert stranger.get(path).status_code == 403
    first = recruiter.person.get(f"{path}?limit=2").json()
    assert [job["id"] for job in first["jobs"]] == [jobs[2], jobs[1]]
    assert recruiter.person.get(f"{path}?limit=1&cursor={first['next']}").json()["jobs"][0]["id"] == jobs[0]
    drafts = recruiter.person.get(f"{path}?state=draft&limit=2").json()["jobs"]
    assert [job["id"] for job in drafts] == [jobs[2], jobs[0]]
    assert recruiter.person.get(f"{path}?state=opne").json()["fields"][0]["did_you_mean"] == "open"


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"title": ""}, "title", "invalid"),
    ({"title": "a" * 201}, "title", "invalid"),
    ({"description": "<script>x</script>"}, "description", "invalid"),
    ({"employment_type": ["nightly"]}, "employment_type", "invalid"),
    ({"places": [{"city": "Berlin"}]}, "places", "invalid"),
    ({"places": [{"country": "XX"}]}, "places", "invalid"),
    ({"places": [{"country": "DE"}] * 21}, "places", "invalid"),
    ({"places": [{"country": "DE", "lat": 1}]}, "places.0.lon", "incomplete"),
    ({"places": [{"country": "DE", "lat": 91, "lon": 0}]}, "places", "invalid"),
    ({"workplace": "onsite", "eligible_countries": ["DE"]}, "eligible_countries", "not_remote"),
    ({"salary": {"min": 2, "max": 1, "currency": "EUR", "unit": "hour"}}, "salary.min", "above_max"),
    ({"salary": {"max": 1, "currency": "EUX", "unit": "hour"}}, "salary.currency", "unknown_value"),
    ({"salary": {"currency": "EUR", "unit": "hour"}}, "salary", "incomplete"),
    ({"salary": {"max": -1, "currency": "EUR", "unit": "hour"}}, "salary", "invalid"),
    ({"valid_through": "2020-01-01T00:00:00Z"}, "valid_through", "in_the_past"),
    ({"valid_through": "2030-01-01T00:00:00"}, "valid_through", "invalid"),
    ({"language": "xx"}, "language", "invalid"),
    ({"apply": {"kind": "url"}}, "apply.target", "invalid"),
    ({"apply": {"kind": "url", "target": "javascript:x"}}, "apply.target", "invalid"),
    ({"apply": {"kind": "email", "target": "x"}}, "apply.target", "invalid"),
    ({"skills": ["a"] * 51}, "skills", "invalid"),
    ({"state": "closed"}, "state", "invalid"),
    ({"salry": 1}, "salry", "unknown"),
]


@pytest.mark.parametrize(("said", "field", "code"), BAD, ids=[f"{field}-{n}" for n, (_, field, _) in enumerate(BAD)])
def test_bad_input_names_its_field_and_stores_nothing(
    api: Api, recruiter: Recruiter, said: dict[str, Any], field: str, code: str
) -> None:
    before = api.query("SELECT count(*) FROM posting", ())
    body = {"title": "Nurse", "description": "<p>x</p>"} | said
    answer = recruiter.person.send("POST", f"companies/{recruiter.company_id}/jobs", json=body)
    assert answer.status_code == 422, answer.text
    assert (field, code) in [(each["field"], each["code"]) for each in answer.json()["fields"]]
    assert api.query("SELECT count(*) FROM posting", ()) == before


@pytest.mark.parametrize(("said", "field", "code"), BAD, ids=[f"{field}-{n}" for n, (_, field, _) in enumerate(BAD)])
def test_bad_change_names_its_field_and_changes_nothing(
    api: Api, patched: dict[str, Any], recruiter: Recruiter, said: dict[str, Any], field: str, code: str
) -> None:
    said = {"title": "Changed"} | (said if said != {"state": "closed"} else {"state": "draft"})
    answer = recruiter.patch(patched["id"], **said)
    assert answer.status_code == 422, answer.text
    assert (field, code) in [(each["field"], each["code"]) for each in answer.json()["fields"]]
    assert recruiter.person.get(f"jobs/{patched['id']}").json() == patched


@pytest.fixture(scope="module")
def patched(recruiter: Recruiter) -> dict[str, Any]:
    return recruiter.offer(title="Unchanged")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"salry": 1}, "salary"),
        ({"workplace": "remot"}, "remote"),
        ({"employment_type": ["full_time", "parttime"]}, "part_time"),
        ({"seniority": "Senior"}, "senior"),
        ({"state": "opened"}, "open"),
        ({"salary": {"max": 1, "currency": "EUE", "unit": "hour"}}, "EUR"),
    ],
)
def test_misspelled_field_or_value_is_answered_with_the_known_one(
    recruiter: Recruiter, said: dict[str, Any], meant: str
) -> None:
    body = {"title": "Nurse", "description": "<p>x</p>"} | said
    answer = recruiter.person.send("POST", f"companies/{recruiter.company_id}/jobs", json=body)
    assert (answer.status_code, [each["did_you_mean"] for each in answer.json()["fields"]]) == (422, [meant])


def test_description_is_stored_only_after_cleaning(api: Api, recruiter: Recruiter) -> None:
    unsafe = "<p onclick='x' style='x'>Knit</p><script>x</script><a href='javascript:x'>a</a><img src=x onerror=x>"
    job = recruiter.offer(description=unsafe)
    recruiter.patch(recruiter.offer(description="<p>Weave</p>")["id"], description=unsafe)
    stored = api.query(
        "SELECT DISTINCT description FROM posting_text WHERE posting_id >= %s", (job["id"],)
    )  # fmt: skip
    assert stored == [('<p>Knit</p><a rel="noopener noreferrer nofollow">a</a>',)]


def test_taken_down_posting_cannot_be_reopened(api: Api, recruiter: Recruiter) -> None:
    job = recruiter.offer()
    assert recruiter.patch(job["id"], state="closed").status_code == 200
    api.query("UPDATE posting SET taken_down_at = now() WHERE id = %s", (job["id"],))
    refused = recruiter.patch(job["id"], state="open")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")


@pytest.fixture
def admin(api: Api) -> Person:
    person = api.person()
    api.query("UPDATE users SET admin = true WHERE id = %s", (person.id,))
    return person


def take_down(admin: Person, job_id: int, reason: str = "It asks for money.") -> Any:
    return admin.send("POST", f"admin/jobs/{job_id}/take-down", json={"reason": reason})


@pytest.mark.parametrize("before", ["open", "closed", "past"])
def test_taken_down_posting_is_closed_for_everybody_and_says_why(
    api: Api, recruiter: Recruiter, admin: Person, before: str
) -> None:
    job = recruiter.offer(title="Conjurer", skills=["Cards"])
    if before == "closed":
        recruiter.patch(job["id"], state="closed")
    elif before == "past":
        api.query("UPDATE posting SET valid_through = now() - interval '1 s' WHERE id = %s", (job["id"],))
    answer = take_down(admin, job["id"])
    assert answer.status_code == 200, answer.text
    for _ in range(4):
        other = api.fresh()
        assert other.get(f"jobs/{job['id']}").status_code == 410
        assert other.get(f"jobs/batch?ids={job['id']}").json()["jobs"] == []
        assert found(other, "q=conjurer") == []
    read = recruiter.person.get(f"jobs/{job['id']}")
    assert (read.json()["state"], read.json()["taken_down"]["reason"]) == ("closed", "It asks for money.")
    assert read.headers["ETag"] == answer.headers["ETag"]
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    refused = recruiter.patch(job["id"], state="open", valid_through=later)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert "It asks for money." in refused.json()["detail"]
    assert recruiter.patch(job["id"], title="Magician").json()["state"] == "closed"


def test_taking_down_is_logged_once_for_each_reason(recruiter: Recruiter, admin: Person) -> None:
    job = recruiter.offer()
    times = {take_down(admin, job["id"], reason).json()["taken_down"]["at"] for reason in ("Spam", "Spam", "Fraud")}
    assert len(times) == 1
    logged = admin.get(f"admin/audit?company_id={recruiter.company_id}&event=posting_taken_down").json()["entries"]
    about = [each for each in logged if each["detail"]["job_id"] == job["id"]]
    assert [(each["actor_id"], each["detail"]["reason"]) for each in about] == [
        (admin.id, "Fraud"),
        (admin.id, "Spam"),
    ]


def test_another_posting_of_the_cluster_is_shown_for_one_that_is_taken_down(
    api: Api, recruiter: Recruiter, admin: Person
) -> None:
    jobs = [recruiter.offer(title="Puppeteer", places=[{"country": code}])["id"] for code in ("IS", "MT")]
    (shown,) = found(api, "q=puppeteer")
    take_down(admin, shown)
    (other,) = set(jobs) - {shown}
    assert found(api, "q=puppeteer") == [other]
    assert found(api, f"q=puppeteer&country={'IS' if other == jobs[1] else 'MT'}") == []


@pytest.mark.parametrize("reason", ["", "a" * 501, None, 5, " ", "a\nb"])
def test_taking_down_needs_a_reason(recruiter: Recruiter, admin: Person, reason: Any) -> None:
    job = recruiter.offer()
    refused = take_down(admin, job["id"], reason)
    assert (refused.status_code, [each["field"] for each in refused.json()["fields"]]) == (422, ["reason"])
    assert recruiter.person.get(f"jobs/{job['id']}").json()["state"] == "open"


def test_draft_and_unknown_posting_cannot_be_taken_down(recruiter: Recruiter, admin: Person) -> None:
    draft = recruiter.offer(state="draft")
    assert take_down(admin, draft["id"]).json()["code"] == "wrong_state"
    assert recruiter.person.get(f"jobs/{draft['id']}").json()["state"] == "draft"
    assert take_down(admin, 2**62).status_code == 404


def test_near_duplicates_are_folded(api: Api, recruiter: Recruiter) -> None:
    until = [(datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (10, 30, 20)]
    cities = ["Bonn", "Bremen", "Hamburg"]
    jobs = [
        recruiter.offer(title="Beekeeper", valid_through=end, places=[{"country": "DE", "city": city}])["id"]
        for end, city in zip(until, cities, strict=True)
    ]
    (item,) = api.get("jobs?q=beekeeper&city=Hamburg").json()["items"]
    assert item["id"] == jobs[1]
    assert [(each["id"], each["places"][0]["city"]) for each in item["also_at"]] == [
        (jobs[0], "Bonn"),
        (jobs[2], "Hamburg"),
    ]
    recruiter.patch(jobs[1], state="closed")
    (item,) = api.get("jobs?q=beekeeper").json()["items"]
    assert (item["id"], [each["id"] for each in item["also_at"]]) == (jobs[2], [jobs[0]])
    assert found(api, "q=beekeeper&city=Bremen") == []
    recruiter.patch(jobs[0], title="Chief beekeeper")
    assert sorted(found(api, "q=beekeeper")) == [jobs[0], jobs[2]]


def test_skill_with_a_joiner_is_found_by_itself(api: Api, recruiter: Recruiter) -> None:
    skill = "\u0646\u0631\u0645\u200c\u0627\u0641\u0632\u0627\u0631"
    job = recruiter.offer(skills=[skill])
    assert found(api, f"skill={skill}") == [job["id"]]


def test_similar_postings_share_words(api: Api, recruiter: Recruiter) -> None:
    jobs = [recruiter.offer(title=title)["id"] for title in ("Organ builder", "Church organ builder", "Organ donor")]
    answer = api.get(f"jobs/{jobs[0]}/similar").json()
    assert [job["id"] for job in answer["jobs"]] == jobs[1:]


def test_open_posting_is_described_as_json_ld(api: Api, recruiter: Recruiter) -> None:
    job = recruiter.offer(places=[{"country": "DE", "city": "Berlin"}])
    accept = {"Accept": "application/ld+json"}
    answer = api.send("GET", f"jobs/{job['id']}", headers=accept)
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert answer.json()["@type"] == "JobPosting"
    assert recruiter.patch(job["id"], state="closed").status_code == 200
    assert api.send("GET", f"jobs/{job['id']}", headers=accept).status_code == 410
    assert recruiter.person.send("GET", f"jobs/{job['id']}", accept).status_code == 410
