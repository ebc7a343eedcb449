"""Companies for tests, with their members."""

from dataclasses import dataclass
from typing import Any

import requests

from tests.api_client import Api, Person


@dataclass(frozen=True)
class TestCompany:
    """A company with an owner and a recruiter."""

    __test__ = False

    id: int
    slug: str
    owner: Person
    recruiter: Person


def make_company(owner: Person, **values: Any) -> dict[str, Any]:
    answer = owner.send("POST", "companies", json={"name": "Acme GmbH", **values})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def invite(owner: Person, company_id: int, person: Person, role: str = "recruiter") -> requests.Response:
    return owner.send("POST", f"companies/{company_id}/members", json={"email": person.email, "role": role})


def staffed_company(api: Api) -> TestCompany:
    owner, recruiter = api.person(), api.person()
    made = make_company(owner)
    assert invite(owner, made["id"], recruiter).status_code == 201
    return TestCompany(made["id"], made["slug"], owner, recruiter)
