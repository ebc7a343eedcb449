"""Changes by GraphQL: the same as by the REST API, with its codes, permissions and versions."""

from typing import Any

import pytest
import requests
from graphql import build_schema

from app.graphql.schema import schema_text
from tests.api_client import Api, Person
from tests.integration.api.companies import TestCompany, make_company, staffed_company
from tests.integration.api.graphql_client import DRAFT, JOB, OFFER, as_rest, ask, codes, data

OFFERED = """{title: "Nurse", description: "<p>You care.</p>", language: "en", state: draft}"""
FIELDS = {
    "updateProfile": ('updateProfile(input: {headline: "x"}) { headline }', "unauthenticated", "", "", ""),
    "apply": ("apply(jobId: JOB, input: {}) { stage }", "unauthenticated", "", "", ""),
    "withdrawApplication": (
        "withdrawApplication(id: APPLICATION) { stage }",
        "unauthenticated", "not_found", "not_the_candidate", "not_the_candidate",
    ),
    "saveSearch": ('saveSearch(input: {name: "Mine", query: "q=nurse"}) { id }', "unauthenticated", "", "", ""),
    "updateSavedSearch": (
        'updateSavedSearch(id: SEARCH, input: {name: "Ours"}) { id }',
        "unauthenticated", "not_found", "not_found", "not_found",
    ),
    "deleteSavedSearch": (
        "deleteSavedSearch(id: SEARCH)", "unauthenticated", "not_found", "not_found", "not_found",
    ),
    "createCompany": ('createCompany(input: {name: "Acme"}) { id }', "unauthenticated", "", "", ""),
    "updateCompany": (
        'updateCompany(id: COMPANY, input: {name: "Acme"}) { id }',
        "unauthenticated", "not_a_member", "not_an_owner", "",
    ),
    "createJob": (
        f"createJob(companyId: COMPANY, input: {OFFERED}) {{ id }}", "unauthenticated", "not_a_member", "", "",
    ),
    "updateJob": ('updateJob(id: DRAFT, input: {title: "Head nurse"}) { id }', "unauthenticated", "not_found", "", ""),
    "deleteJob": ("deleteJob(id: DRAFT)", "unauthenticated", "not_found", "", ""),
}  # fmt: skip
"""Each mutation, and the code for nobody, somebody, a recruiter and the owner; empty: no error. The application and the
saved search are those of another account."""


@pytest.fixture(scope="module")
def company(api: Api) -> TestCompany:
    return staffed_company(api)


def offer(company: TestCompany, said: dict[str, Any]) -> int:
    answer = company.owner.send("POST", f"companies/{company.id}/jobs", json=said)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_every_mutation_has_a_row() -> None:
    mutation = build_schema(schema_text()).mutation_type
    assert mutation is not None
    assert set(FIELDS) == set(mutation.fields)


@pytest.mark.parametrize("name", FIELDS)
def test_each_caller_gets_the_code_of_the_row(api: Api, company: TestCompany, name: str) -> None:
    job, candidate = offer(company, OFFER | {"title": f"Nurse of {api.new_email()}"}), api.person()
    application = candidate.send("POST", f"jobs/{job}/applications", json={}).json()["id"]
    search = candidate.send("POST", "saved-searches", json={"name": "Mine", "query": "q=nurse"}).json()["id"]
    field, *expected = FIELDS[name]
    found = []
    for caller in (None, api.person(), company.recruiter, company.owner):
        names = {
            "COMPANY": company.id, "JOB": job, "DRAFT": offer(company, DRAFT), "APPLICATION": application,
            "SEARCH": search,
        }  # fmt: skip
        query = field
        for word, number in names.items():
            query = query.replace(f": {word}", f": {number}")
        answer = ask(api, f"mutation {{ {query} }}", caller).json()
        found.append("".join(each["extensions"]["code"] for each in answer.get("errors", [])))
    assert found == expected


def test_a_profile_is_changed_as_by_the_rest_api(api: Api, person: Person) -> None:
    text = """mutation($version: Int, $headline: String) {
      updateProfile(input: {name: "Grace", headline: $headline}, expectedVersion: $version) { name headline version }
    }"""
    version = person.get("users/me").json()["version"]
    changed = data(api, text, person, variables={"version": version, "headline": "Admiral"})["updateProfile"]
    assert changed == {"name": "Grace", "headline": "Admiral", "version": version + 1}
    assert person.get("users/me").json()["headline"] == "Admiral"
    assert codes(ask(api, text, person, variables={"version": version})) == ["precondition_failed"]
    emptied = data(api, text, person, variables={"headline": None})["updateProfile"]
    assert emptied["headline"] == ""
    assert data(api, text, person)["updateProfile"]["version"] == emptied["version"] + 1
    wrong = ask(api, 'mutation { updateProfile(input: {name: ""}) { name } }', person).json()["errors"][0]
    rest = person.send("PATCH", "users/me", json={"name": ""}).json()
    assert wrong["extensions"]["code"] == rest["code"]
    assert wrong["extensions"]["fields"] == rest["fields"]


def test_a_posting_is_written_as_by_the_rest_api(api: Api, company: TestCompany) -> None:
    create = f"""mutation($company: ID!, $input: NewJobInput!) {{
      createJob(companyId: $company, input: $input) {{ {JOB} }}
    }}"""
    said = {
        "title": f"Nurse of {api.new_email()}", "description": "<p>You care.</p>", "language": "en",
        "employmentType": ["full_time", "temporary"], "workplace": "hybrid", "seniority": "senior",
        "places": [{"country": "DE", "city": "Berlin"}], "skills": ["Python"], "openings": 3,
        "salary": {"currency": "EUR", "unit": "year", "min": 40_000, "max": 50_000.5},
        "apply": {"questions": [{"text": "When?", "required": True}]}, "validThrough": "2090-01-01T00:00:00Z",
    }  # fmt: skip
    made = data(api, create, company.recruiter, variables={"company": company.id, "input": said})["createJob"]
    assert as_rest(made) == api.get(f"jobs/{made['id']}").json()
    change = f"""mutation($id: ID!, $input: JobInput!, $version: Int) {{
      updateJob(id: $id, input: $input, expectedVersion: $version) {{ {JOB} }}
    }}"""
    given = {"id": made["id"], "version": made["version"], "input": {"salary": None, "state": "closed"}}
    closed = data(api, change, company.owner, variables=given)["updateJob"]
    assert (closed["salary"], closed["state"], closed["title"]) == (None, "closed", said["title"])
    assert as_rest(closed) == company.owner.get(f"jobs/{made['id']}").json()
    assert codes(ask(api, change, company.owner, variables=given)) == ["precondition_failed"]
    wrong = ask(api, create, company.owner, variables={"company": company.id, "input": said | {"openings": 0}})
    assert [each["field"] for each in wrong.json()["errors"][0]["extensions"]["fields"]] == ["openings"]


def test_a_company_and_a_search_are_changed_by_version(api: Api, person: Person) -> None:
    made = make_company(person)
    change = """mutation($id: ID!, $version: Int) {
      updateCompany(id: $id, input: {website: "https://acme.example", description: null}, expectedVersion: $version) {
        id slug name verified description website country createdAt updatedAt version
      }
    }"""
    given = {"id": made["id"], "version": made["version"]}
    assert as_rest(data(api, change, person, variables=given)["updateCompany"]) == {
        **api.get(f"companies/{made['id']}").json(), "website": "https://acme.example",
    }  # fmt: skip
    assert codes(ask(api, change, person, variables=given)) == ["precondition_failed"]
    saved = data(api, 'mutation { saveSearch(input: {name: "A", query: "q=nurse"}) { id version } }', person)[
        "saveSearch"
    ]
    delete = "mutation($id: ID!, $version: Int) { deleteSavedSearch(id: $id, expectedVersion: $version) }"
    given = {"id": saved["id"], "version": saved["version"] + 1}
    assert codes(ask(api, delete, person, variables=given)) == ["precondition_failed"]
    assert data(api, delete, person, variables={"id": saved["id"]}) == {"deleteSavedSearch": saved["id"]}
    assert person.get("saved-searches").json()["saved_searches"] == []


def test_an_application_is_sent_and_withdrawn(api: Api, company: TestCompany, person: Person) -> None:
    job = offer(company, OFFER | {"title": f"Nurse of {api.new_email()}"})
    apply = """mutation($job: ID!, $letter: String) {
      apply(jobId: $job, input: {letter: $letter, answers: [{question: "When?", answer: "Now"}]}) {
        id stage job { title company { description } posting { id } }
      }
    }"""
    sent = data(api, apply, person, variables={"job": job, "letter": "Hello"})["apply"]
    assert sent["job"]["posting"] == {"id": str(job)}
    assert sent["job"]["company"] == {"description": ""}
    stored = person.get(f"applications/{sent['id']}").json()
    assert (stored["letter"], stored["answers"]) == ("Hello", [{"question": "When?", "answer": "Now"}])
    withdraw = f"mutation {{ withdrawApplication(id: {sent['id']}) {{ stage }} }}"
    assert data(api, withdraw, person) == {"withdrawApplication": {"stage": "withdrawn"}}


def test_an_application_is_repeated_by_its_key_in_either_api(api: Api, company: TestCompany, person: Person) -> None:
    job = offer(company, OFFER | {"title": f"Nurse of {api.new_email()}"})
    apply = """mutation($job: ID!, $letter: String, $key: String) {
      apply(jobId: $job, input: {letter: $letter}, idempotencyKey: $key) { id stage letter version }
    }"""
    given = {"job": job, "letter": "Hello", "key": "first"}
    sent = data(api, apply, person, variables=given)["apply"]
    data(api, f"mutation {{ withdrawApplication(id: {sent['id']}) {{ stage }} }}", person)
    assert data(api, apply, person, variables=given)["apply"] == sent
    headers = {"Idempotency-Key": "first"}
    repeated = person.send("POST", f"jobs/{job}/applications", headers, json={"letter": "Hello"})
    assert (repeated.status_code, repeated.json()["stage"]) == (201, "submitted")
    assert data(api, apply, person, variables=given | {"key": None})["apply"]["stage"] == "withdrawn"
    (other,) = ask(api, apply, person, variables=given | {"letter": "Bye"}).json()["errors"]
    assert other["extensions"]["code"] == "idempotency_key_reused"
    assert [each["field"] for each in other["extensions"]["fields"]] == ["idempotencyKey"]
    assert codes(ask(api, apply, person, variables=given | {"key": "no spaces"})) == ["bad_request"]


def test_a_get_changes_nothing(api: Api, person: Person) -> None:
    params = {"query": 'mutation { updateProfile(input: {name: "Eve"}) { name } }'}
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = requests.get(f"{api.url}/graphql", params, headers=headers, timeout=30)
    assert codes(answer) == ["by_post_only"]
    assert person.get("users/me").json()["name"] == "Ada"
