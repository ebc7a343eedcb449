"""GraphQL over HTTP: its answers, errors and limits, beside those of the REST API."""

import hashlib
from typing import Any

import pytest
import requests
from graphql import build_schema
from prometheus_client.parser import text_string_to_metric_families

from app.graphql.resources import GRAPHQL_JSON
from app.graphql.schema import schema_text
from tests.api_client import Api, Person
from tests.integration.api.companies import TestCompany, staffed_company
from tests.integration.api.graphql_client import (
    APPLICATION,
    COMPANY,
    DRAFT,
    JOB,
    OFFER,
    WHOLE,
    as_rest,
    ask,
    codes,
    data,
)

COSTLY = "{ a: me { id } b: me { id } search(first: 100) { nodes { id } } }"


@pytest.fixture(scope="module")
def company(api: Api) -> TestCompany:
    return staffed_company(api)


@pytest.fixture(scope="module")
def job(company: TestCompany) -> dict[str, Any]:
    answer = company.owner.send("POST", f"companies/{company.id}/jobs", json=OFFER)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_single_objects_are_those_of_the_rest_api(api: Api, company: TestCompany, job: dict[str, Any]) -> None:
    owner = company.owner
    query = f"""query($job: ID!, $company: ID!, $slug: String!, $user: ID!) {{
      me {{ id email name headline createdAt updatedAt version verifiedAt }}
      user(id: $user) {{ id name headline createdAt }}
      users(ids: [$user, "4000000000"]) {{ id name headline createdAt }}
      company(id: $company) {{ {COMPANY} }}
      named: company(slug: $slug) {{ {COMPANY} }}
      job(id: $job) {{ {JOB} }}
      jobs(ids: ["4000000000", $job]) {{ {JOB} }}
    }}"""
    variables = {"job": job["id"], "company": company.id, "slug": company.slug, "user": str(company.recruiter.id)}
    found = as_rest(data(api, query, owner, variables=variables))
    posting = owner.get(f"jobs/{job['id']}").json()
    profile, shown = owner.get(f"users/{company.recruiter.id}").json(), owner.get(f"companies/{company.id}").json()
    assert found == {
        "me": owner.get("users/me").json(),
        "user": profile,
        "users": [profile, None],
        "company": shown,
        "named": shown,
        "job": posting,
        "jobs": [None, posting],
    }


def test_a_search_is_that_of_the_rest_api(api: Api, company: TestCompany, job: dict[str, Any]) -> None:
    for _ in range(2):
        other = OFFER | {"title": f"Nurse of {api.new_email()}"}
        company.owner.send("POST", f"companies/{company.id}/jobs", json=other)
    query = f"""query($company: [ID!], $after: String) {{
      search(company: $company, country: ["DE"], facets: [country, skill], first: 2, after: $after) {{
        edges {{ cursor node {{ {JOB} }} distanceM alsoAt {{ id places {{ country region city lat lon }} }} }}
        nodes {{ id }} pageInfo {{ hasNextPage endCursor }} total {{ value exact }} asOf
        facets {{ id exact values {{ value label count }} }} conversions {{ hoursPerYear ratesOf }}
        corrections {{ word didYouMean }}
      }}
    }}"""
    rest = api.get(f"jobs?company={company.id}&country=DE&facets=country,skill&limit=2&total=true").json()
    found = as_rest(data(api, query, variables={"company": [company.id]}))["search"]
    fields = rest["items"][0].keys()
    assert [{name: edge["node"][name] for name in fields - {"also_at"}} for edge in found["edges"]] == [
        {name: value for name, value in item.items() if name != "also_at"} for item in rest["items"]
    ]
    assert found["page_info"] == {"has_next_page": True, "end_cursor": rest["next"]}
    assert [each["cursor"] for each in found["edges"]] == [None, rest["next"]]
    assert {name: found[name] for name in ("total", "facets", "conversions", "corrections")} == {
        name: rest[name] for name in ("total", "facets", "conversions", "corrections")
    }
    assert all(edge["node"]["description"] == OFFER["description"] for edge in found["edges"])
    following = data(api, query, variables={"company": [str(company.id)], "after": rest["next"]})["search"]
    assert [len(following["edges"]), following["pageInfo"]] == [1, {"hasNextPage": False, "endCursor": None}]


def test_lists_of_an_account_are_those_of_the_rest_api(api: Api, company: TestCompany, job: dict[str, Any]) -> None:
    candidate = api.person()
    assert candidate.send("POST", f"jobs/{job['id']}/applications", json={}).status_code == 201
    assert candidate.send("POST", "saved-searches", json={"name": "Mine", "query": "q=nurse"}).status_code == 201
    own = f"""{{
      applications(first: 5) {{ nodes {{ {APPLICATION} }} pageInfo {{ endCursor }} }}
      savedSearches {{ id name query frequency seenAt createdAt updatedAt version }}
    }}"""
    found = as_rest(data(api, own, candidate))
    listed = candidate.get("applications").json()
    assert found["applications"] == {"nodes": listed["applications"], "page_info": {"end_cursor": listed["next"]}}
    assert found["saved_searches"] == candidate.get("saved-searches").json()["saved_searches"]
    office = f"""query($job: ID!, $company: ID!) {{
      jobApplications(jobId: $job, stage: [submitted]) {{ edges {{ node {{ {APPLICATION} }} }} }}
      companyJobs(companyId: $company, state: [open], first: 100) {{ nodes {{ {JOB} }} }}
      companies {{ nodes {{ role since company {{ id slug name verified }} }} }}
    }}"""
    found = as_rest(data(api, office, company.recruiter, variables={"job": job["id"], "company": company.id}))
    recruiter = company.recruiter
    assert [each["node"] for each in found["job_applications"]["edges"]] == listed["applications"]
    postings = recruiter.get(f"companies/{company.id}/jobs?state=open&limit=100").json()["jobs"]
    assert found["company_jobs"]["nodes"] == postings
    assert found["companies"]["nodes"] == recruiter.get("users/me/companies").json()["companies"]


def test_nested_companies_and_postings_are_complete(api: Api, company: TestCompany, job: dict[str, Any]) -> None:
    candidate = api.person()
    candidate.send("POST", f"jobs/{job['id']}/applications", json={})
    query = f"{{ applications {{ nodes {{ job {{ posting {{ {JOB} }} company {{ {COMPANY} }} }} }} }} }}"
    found = as_rest(data(api, query, candidate))["applications"]["nodes"][0]["job"]
    assert found == {
        "posting": api.get(f"jobs/{job['id']}").json(),
        "company": api.get(f"companies/{company.id}").json(),
    }


def test_a_whole_application_is_that_of_the_rest_api(api: Api, company: TestCompany, job: dict[str, Any]) -> None:
    candidate = api.person()
    said = {"letter": "I care.", "answers": [{"question": "When?", "answer": "Now"}]}
    number = candidate.send("POST", f"jobs/{job['id']}/applications", json=said).json()["id"]
    path, query = f"applications/{number}", f"{{ application(id: {number}) {{ {APPLICATION} {WHOLE} }} }}"
    cv = candidate.send("PUT", f"{path}/cv", {"Content-Type": "application/pdf"}, data=b"%PDF-1.7\n%%EOF\n")
    assert cv.status_code == 200, cv.text
    moved = company.recruiter.send("PATCH", path, json={"stage": "interview", "note": "Call her."})
    assert moved.status_code == 200, moved.text
    shown = candidate.get(path).json()
    own = as_rest(data(api, query, candidate))["application"]
    assert own == shown | {"notes": None, "history": [{**step, "actor_id": None} for step in shown["history"]]}
    assert as_rest(data(api, query, company.recruiter))["application"] == company.recruiter.get(path).json()


FIELDS = {
    "me": ("me { id }", "unauthenticated", "", "", ""),
    "user": ("user(id: NOBODY) { id }", "unauthenticated", "not_found", "not_found", "not_found"),
    "users": ("users(ids: [1]) { id }", "unauthenticated", "", "", ""),
    "company": ("company(id: COMPANY) { id }", "", "", "", ""),
    "companies": ("companies { nodes { role } }", "unauthenticated", "", "", ""),
    "job": ("job(id: DRAFT) { id }", "not_found", "not_found", "", ""),
    "jobs": ("jobs(ids: [DRAFT]) { id }", "", "", "", ""),
    "companyJobs": ("companyJobs(companyId: COMPANY) { nodes { id } }", "unauthenticated", "not_a_member", "", ""),
    "search": ("search { nodes { id } }", "", "", "", ""),
    "applications": ("applications { nodes { id } }", "unauthenticated", "", "", ""),
    "jobApplications": (
        "jobApplications(jobId: DRAFT) { nodes { id } }", "unauthenticated", "not_found", "", "",
    ),
    "application": ("application(id: APPLICATION) { id }", "unauthenticated", "not_found", "", ""),
    "savedSearches": ("savedSearches { id }", "unauthenticated", "", "", ""),
}  # fmt: skip
"""Each field of the query, and the code for nobody, somebody, a recruiter and the owner; empty: no error."""


def test_every_field_of_the_query_has_a_row() -> None:
    query = build_schema(schema_text()).query_type
    assert query is not None
    assert set(FIELDS) == set(query.fields)


@pytest.mark.parametrize("name", FIELDS)
def test_each_caller_gets_the_code_of_the_row(
    api: Api, company: TestCompany, job: dict[str, Any], name: str
) -> None:  # fmt: skip
    draft = company.owner.send("POST", f"companies/{company.id}/jobs", json=DRAFT).json()["id"]
    query, *expected = FIELDS[name]
    if name == "application":
        applied = api.person().send("POST", f"jobs/{job['id']}/applications", json={})
        query = query.replace("APPLICATION", str(applied.json()["id"]))
    query = query.replace("COMPANY", f'"{company.id}"').replace("DRAFT", f'"{draft}"').replace("NOBODY", '"4000000000"')
    callers = (None, api.person(), company.recruiter, company.owner)
    answers = [ask(api, f"{{ {query} }}", caller).json() for caller in callers]
    assert ["".join(each["extensions"]["code"] for each in answer.get("errors", [])) for answer in answers] == expected
    if name == "jobs":
        assert all(answer["data"] == {"jobs": [None]} for answer in answers)


def test_errors_have_the_codes_and_fields_of_the_rest_api(api: Api, person: Person) -> None:
    query = '{ a: job(id: "4000000000") { id } b: search(sort: distance, lang: "xx") { nodes { id } } me { id } }'
    answer = ask(api, query, person)
    assert answer.status_code == 200
    assert answer.json()["data"]["me"] == {"id": str(person.id)}
    first, second = answer.json()["errors"]
    assert (first["path"], first["extensions"]["code"], first["extensions"]["status"]) == (["a"], "not_found", 404)
    assert second["extensions"]["code"] == "invalid"
    assert {each["field"]: each["code"] for each in second["extensions"]["fields"]} == {
        "sort": "incomplete", "lang": "unknown_value",
    }  # fmt: skip
    wrong = ask(api, "query($n: Int) { search(first: $n) { nodes { id } } }", variables={"n": "x"})
    assert codes(wrong) == ["bad_value"]
    assert codes(ask(api, '{ job(id: "x") { id } }')) == ["bad_request"]


def test_a_wrong_token_is_refused_before_anything_else(api: Api) -> None:
    answer = ask(api, "{", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "graphql_syntax"),
        ("{ me { password } }", "graphql_validation"),
        ("{ ...a } fragment a on Query { ...a }", "fragment_cycle"),
    ],
)
def test_a_document_that_is_not_run_is_refused_in_either_form(api: Api, query: str, code: str) -> None:
    answer = requests.get(f"{api.url}/graphql", {"query": query}, timeout=30)
    assert (answer.status_code, codes(answer)) == (200, [code])
    strict = ask(api, query, headers={"Accept": GRAPHQL_JSON})
    assert (strict.status_code, codes(strict), strict.headers["Content-Type"]) == (400, [code], GRAPHQL_JSON)


def test_a_large_document_is_refused_before_it_is_read(api: Api) -> None:
    large = ask(api, "{ me { id } } #" + "x" * 100_000)
    assert (large.status_code, large.json()["code"]) == (422, "invalid")
    assert ask(api, "{ me { id } } #" + "x" * 1_000_000).status_code == 413


def test_only_json_is_read(api: Api) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = requests.post(
            f"{api.url}/graphql", data=b'{"query":"{ me { id } }"}', headers={"Content-Type": media_type}, timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_an_answer_says_what_it_cost(api: Api, person: Person) -> None:
    answer = ask(api, COSTLY, person)
    assert answer.json()["extensions"]["cost"] == {"objects": 103, "requests": 3}


def test_operations_are_counted_by_name_and_status(api: Api, person: Person) -> None:
    data(api, "query OwnName { me { name } }", person)
    ask(api, "query OwnName { me { name } }")
    ask(api, "query OwnName { me { password } }", person)
    families = text_string_to_metric_families(api.root("/metrics").text)
    samples = [each for family in families for each in family.samples if "operation" in each.labels]
    counted = {
        (each.labels["operation"], each.labels["status"]): each.value
        for each in samples
        if each.name == "jobfinder_graphql_operations_total"
    }
    assert (counted["OwnName", "2xx"], counted["OwnName", "4xx"], counted["OwnName", "5xx"]) == (1, 1, 0)
    assert counted["none", "4xx"] >= 1
    assert sum(each.value for each in samples if each.name.endswith("seconds_count")) == sum(counted.values())


def test_a_get_reads(api: Api, person: Person) -> None:
    headers = {"Authorization": f"Bearer {person.token}"}
    params = {"query": "query($id: ID!) { user(id: $id) { id } }", "variables": f'{{"id": {person.id}}}'}
    answer = requests.get(f"{api.url}/graphql", params, headers=headers, timeout=30)
    assert answer.json()["data"] == {"user": {"id": str(person.id)}}
    assert requests.get(f"{api.url}/graphql", {"variables": "{"}, timeout=30).json()["code"] == "malformed_json"


def test_a_document_can_be_named_by_its_hash(api: Api) -> None:
    """A worker that has not seen the document asks for it, as in Apollo's protocol."""
    text = f"query q{hashlib.sha256(api.url.encode()).hexdigest()[:8]} {{ search {{ nodes {{ id }} }} }}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}}
    session = requests.Session()

    def send(body: dict[str, Any]) -> requests.Response:
        return session.post(f"{api.url}/graphql", json=body, timeout=30)

    missed = send(named)
    assert codes(missed) == ["PERSISTED_QUERY_NOT_FOUND"]
    assert missed.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert "errors" not in send({"query": text, **named}).json()
    assert "errors" not in send(named).json()
    assert codes(send({"query": text + " ", **named})) == ["wrong_hash"]
