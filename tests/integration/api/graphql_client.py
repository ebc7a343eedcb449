"""Requests of GraphQL for tests, and its data with the names of the REST API."""

from typing import Any

import requests

from app.graphql.schema import camel
from tests.api_client import Api, Person

DRAFT = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "draft"}
OFFER = DRAFT | {
    "state": "open",
    "employment_type": ["full_time", "temporary"],
    "places": [{"country": "DE", "city": "Berlin"}],
    "salary": {"currency": "EUR", "unit": "year", "min": 40_000, "max": 50_000},
    "skills": ["Python"],
    "apply": {"kind": "internal", "questions": [{"text": "When?", "required": False}]},
}
JOB = """
id title description employmentType workplace seniority eligibleCountries skills language openings state publishedAt
validThrough firstSeenAt contentChangedAt source externalId version places { country region city lat lon }
salary { currency unit min max } apply { kind target questions { text required } } takenDown { at reason }
company { id slug name verified }
"""
ID_FIELDS = ("id", "actorId", "authorId")
COMPANY = "id slug name verified description website country createdAt updatedAt version"
APPLICATION = """
id stage createdAt updatedAt version candidate { id name email } job { id title company { id slug name verified } }
"""
WHOLE = """
letter answers { question answer } history { stage at by actorId } cv { bytes at } notes { text at authorId }
"""


def ask(api: Api, query: str, person: Person | None = None, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {person.token}"} if person else {}
    headers |= more.pop("headers", {})
    return requests.post(f"{api.url}/graphql", json={"query": query} | more, headers=headers, timeout=30)


def data(api: Api, query: str, person: Person | None = None, **more: Any) -> dict[str, Any]:
    answer = ask(api, query, person, **more)
    assert answer.status_code == 200, answer.text
    assert "errors" not in answer.json(), answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def codes(answer: requests.Response) -> list[str]:
    return [each["extensions"]["code"] for each in answer.json()["errors"]]


def as_rest(value: Any) -> Any:
    """Data of GraphQL with the names and ids of the REST API."""
    if isinstance(value, list):
        return [as_rest(each) for each in value]
    if isinstance(value, dict):
        return {
            _snake(name): int(each) if name in ID_FIELDS and str(each).isdigit() else as_rest(each)
            for name, each in value.items()
        }
    return value


def as_graphql(value: Any) -> Any:
    """A body of the REST API with the names of GraphQL."""
    if isinstance(value, list):
        return [as_graphql(each) for each in value]
    return {camel(name): as_graphql(each) for name, each in value.items()} if isinstance(value, dict) else value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
