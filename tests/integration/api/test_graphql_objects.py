"""Random users, companies, postings, applications and saved searches are the same by GraphQL as by the REST API.

They are written by the one or the other. GRAPHQL_EXAMPLES is their number.
"""

import operator
import os
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api_client import Api, Person
from tests.integration.api.companies import TestCompany, staffed_company
from tests.integration.api.graphql_client import APPLICATION, COMPANY, JOB, WHOLE, as_graphql, as_rest, data

EXAMPLES = int(os.environ.get("GRAPHQL_EXAMPLES", "8"))
chars = st.characters(exclude_categories=("C", "Zl", "Zp"))
lines = st.text(chars | st.just("\n"), max_size=40).map(lambda text: f"A{text}")
countries, amounts = st.sampled_from(["DE", "FR", "US"]), st.none() | st.floats(0, 1e9)


def text(most: int) -> st.SearchStrategy[str]:
    return st.text(chars, max_size=min(most - 1, 40)).map(lambda rest: f"A{rest}")


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


profiles = st.fixed_dictionaries({"name": text(100), "headline": text(200)})
companies = st.fixed_dictionaries(
    {"name": text(120), "description": lines, "website": optional(st.just("https://acme.example/?a=%20")),
     "country": optional(countries)}
)  # fmt: skip
points = st.fixed_dictionaries({"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)})
places = st.builds(
    operator.or_,
    st.fixed_dictionaries({"country": countries}, optional={"region": text(100), "city": text(100)}),
    st.just({}) | points,
)
salaries = st.fixed_dictionaries(
    {"currency": st.sampled_from(["EUR", "USD", "JPY"]), "unit": st.sampled_from(["hour", "month", "year"])},
    optional={"min": amounts},
).map(lambda salary: salary | {"max": 1e9})
questions = st.fixed_dictionaries({"text": text(300), "required": st.just(False)})
jobs = st.fixed_dictionaries(
    {"title": text(200), "description": text(200).map(lambda text: f"<p>{text.replace('<', '')}</p>")},
    optional={
        "state": st.sampled_from(["open", "draft"]),
        "employment_type": st.lists(st.sampled_from(["full_time", "per_diem", "other"]), unique=True),
        "workplace": st.sampled_from(["onsite", "hybrid", "remote"]),
        "seniority": optional(st.sampled_from(["entry", "lead"])),
        "places": st.lists(places, max_size=2),
        "eligible_countries": st.lists(countries, unique=True),
        "salary": optional(salaries),
        "skills": st.lists(text(60), max_size=3, unique=True),
        "language": optional(st.sampled_from(["en", "de", "ja"])),
        "openings": st.integers(1, 10_000),
        "apply": st.fixed_dictionaries({"questions": st.lists(questions, max_size=2, unique_by=lambda q: q["text"])}),
        "valid_through": st.integers(2050, 2090).map("{}-01-01T00:00:00.5+02:00".format),
    },
)
jobs = jobs.map(lambda job: job if job.get("workplace") == "remote" else job | {"eligible_countries": []})
searches = st.fixed_dictionaries(
    {"name": text(60), "query": st.sampled_from(["q=nurse", "country=DE&q=%C3%A4rztin"])},
    optional={"frequency": st.just("off")},
)
everything = st.fixed_dictionaries(
    {"profile": profiles, "company": companies, "job": jobs, "letter": lines, "search": searches,
     "by_rest": st.booleans()}
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """A company, and somebody who has neither applied nor saved a search."""

    company: TestCompany
    candidate: Person


@pytest.fixture(scope="module")
def company(api: Api) -> TestCompany:
    return staffed_company(api)


def write(person: Person, method: str, path: str, body: dict[str, Any]) -> int:
    answer = person.send(method, path, json=body)
    assert answer.ok, (path, body, answer.text)
    return int(answer.json()["id"])


def write_by_rest(world: World, drawn: dict[str, Any]) -> tuple[int, int | None]:
    """The new posting, and the application for it if it is open."""
    owner, candidate, company = world.company.owner, world.candidate, world.company.id
    write(candidate, "PATCH", "users/me", drawn["profile"])
    write(owner, "PATCH", f"companies/{company}", drawn["company"])
    write(candidate, "POST", "saved-searches", drawn["search"])
    job = write(owner, "POST", f"companies/{company}/jobs", drawn["job"])
    if drawn["job"].get("state") == "draft":
        return job, None
    return job, write(candidate, "POST", f"jobs/{job}/applications", {"letter": drawn["letter"]})


def write_by_graphql(api: Api, world: World, drawn: dict[str, Any]) -> tuple[int, int | None]:
    """The same."""
    given = {name: as_graphql(drawn[name]) for name in ("profile", "company", "job", "search")}
    own = """mutation($profile: ProfileInput!, $search: NewSavedSearchInput!) {
      updateProfile(input: $profile) { id } saveSearch(input: $search) { id }
    }"""
    data(api, own, world.candidate, variables=given)
    ours = """mutation($company: CompanyInput!, $id: ID!, $job: NewJobInput!) {
      updateCompany(id: $id, input: $company) { id } createJob(companyId: $id, input: $job) { id }
    }"""
    job = int(data(api, ours, world.company.owner, variables={"id": world.company.id, **given})["createJob"]["id"])
    if drawn["job"].get("state") == "draft":
        return job, None
    apply = "mutation($id: ID!, $letter: String) { apply(jobId: $id, input: {letter: $letter}) { id } }"
    sent = data(api, apply, world.candidate, variables={"id": job, "letter": drawn["letter"]})
    return job, int(sent["apply"]["id"])


OWN = """{
  me { id email name headline createdAt updatedAt version verifiedAt }
  savedSearches { id name query frequency seenAt createdAt updatedAt version }
}"""


@given(drawn=everything)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
def test_random_objects_are_the_same_by_either_api(api: Api, company: TestCompany, drawn: dict[str, Any]) -> None:
    world = World(company, api.person())
    job, application = write_by_rest(world, drawn) if drawn["by_rest"] else write_by_graphql(api, world, drawn)
    owner, candidate = company.owner, world.candidate
    ours = f"""query($user: ID!, $company: ID!, $slug: String!, $job: ID!) {{
      user(id: $user) {{ id name headline createdAt }} company(id: $company) {{ {COMPANY} }}
      named: company(slug: $slug) {{ {COMPANY} }} job(id: $job) {{ {JOB} }}
      companyJobs(companyId: $company, first: 1) {{ nodes {{ {JOB} }} }}
    }}"""
    names = {"user": candidate.id, "company": company.id, "slug": company.slug, "job": job}
    found = as_rest(data(api, ours, owner, variables=names))
    shown, posting = api.get(f"companies/{company.id}").json(), owner.get(f"jobs/{job}").json()
    assert found == {
        "user": owner.get(f"users/{candidate.id}").json(),
        "company": shown,
        "named": shown,
        "job": posting,
        "company_jobs": {"nodes": [posting]},
    }
    assert (shown["name"], posting["title"]) == (drawn["company"]["name"], drawn["job"]["title"])
    found = as_rest(data(api, OWN, candidate))
    assert found["me"] == candidate.get("users/me").json()
    assert found["saved_searches"] == candidate.get("saved-searches").json()["saved_searches"]
    if application is not None:
        query = f"{{ jobs(ids: [{job}]) {{ {JOB} }} application(id: {application}) {{ {APPLICATION} {WHOLE} }} }}"
        found = as_rest(data(api, query, owner))
        assert found == {"jobs": [posting], "application": owner.get(f"applications/{application}").json()}
