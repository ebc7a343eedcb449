"""Permissions: the status of every endpoint with an id for each kind of caller."""

from dataclasses import dataclass
from typing import Any

import pytest
import requests

from app.routes import route_labels
from tests.api_client import Api, Person
from tests.integration.api.companies import invite, make_company

ASKERS = ("nobody", "candidate", "member of another company", "recruiter", "owner", "admin")


@dataclass(frozen=True)
class Row:
    """The status for each of ASKERS, and the request body: JSON, lines of JSON, or a PDF."""

    statuses: tuple[int, int, int, int, int, int]
    body: dict[str, Any] | None = None
    lines: bytes | None = None
    pdf: bytes | None = None


EVERYBODY = (200, 200, 200, 200, 200, 200)
ANY_ACCOUNT = (401, 200, 200, 200, 200, 200)
MEMBERS = (401, 403, 403, 200, 200, 403)
ADMINS = (401, 404, 404, 404, 404, 200)
OTHERS = (401, 404, 404, 404, 404, 404)
"""None of ASKERS is the account that has it."""


def owners(status: int) -> tuple[int, int, int, int, int, int]:
    return (401, 403, 403, 403, status, 403)


PDF = b"%PDF-1.4\n%%EOF\n"
LINE = b'{"external_id":"1","title":"Nurse","description":"<p>You care.</p>","language":"en"}'
DRAFT = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "draft"}
OFFER = {name: value for name, value in DRAFT.items() if name != "state"}
MATRIX = {
    "DELETE /api/v1/auth/sessions/{session_id}": Row(OTHERS),
    "GET /api/v1/users/{user_id}": Row(ANY_ACCOUNT),
    "GET /api/v1/companies/{company_id}": Row(EVERYBODY),
    "PATCH /api/v1/companies/{company_id}": Row(owners(200), {"name": "Renamed"}),
    "DELETE /api/v1/companies/{company_id}": Row(owners(204)),
    "GET /api/v1/companies/by-slug/{slug}": Row(EVERYBODY),
    "GET /api/v1/companies/{company_id}/members": Row(MEMBERS),
    "POST /api/v1/companies/{company_id}/members": Row(owners(201), {"email": "{email}", "role": "owner"}),
    "GET /api/v1/companies/{company_id}/members/{user_id}": Row(MEMBERS),
    "PUT /api/v1/companies/{company_id}/members/{user_id}": Row(owners(200), {"role": "owner"}),
    "DELETE /api/v1/companies/{company_id}/members/{user_id}": Row(owners(204)),
    "GET /api/v1/companies/{company_id}/jobs": Row(MEMBERS),
    "GET /api/v1/companies/{company_id}/jobs.json": Row(EVERYBODY),
    "GET /api/v1/sitemaps/jobs-{number}.xml": Row(EVERYBODY),
    "POST /api/v1/companies/{company_id}/jobs": Row((401, 403, 403, 201, 201, 403), DRAFT),
    "PUT /api/v1/companies/{company_id}/jobs/{source}/{external_id}": Row((401, 403, 403, 201, 201, 403), OFFER),
    "POST /api/v1/companies/{company_id}/jobs/import": Row(MEMBERS, lines=LINE),
    "POST /api/v1/companies/{company_id}/feeds/{source}/runs": Row((401, 403, 403, 201, 201, 403)),
    "GET /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}": Row(MEMBERS),
    "DELETE /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}": Row((401, 403, 403, 204, 204, 403)),
    "POST /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}/lines": Row(MEMBERS, lines=LINE),
    "POST /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}/commit": Row(MEMBERS),
    "GET /api/v1/jobs/{job_id}": Row((404, 404, 404, 200, 200, 404)),
    "PATCH /api/v1/jobs/{job_id}": Row((401, 404, 404, 200, 200, 404), {"title": "Head nurse"}),
    "DELETE /api/v1/jobs/{job_id}": Row((401, 404, 404, 204, 204, 404)),
    "GET /api/v1/jobs/{job_id}/similar": Row((404, 404, 404, 200, 200, 404)),
    "GET /api/v1/saved-searches/{search_id}": Row(OTHERS),
    "PATCH /api/v1/saved-searches/{search_id}": Row(OTHERS, {"name": "Renamed"}),
    "DELETE /api/v1/saved-searches/{search_id}": Row(OTHERS),
    "GET /api/v1/saved-searches/{search_id}/matches": Row(OTHERS),
    "POST /api/v1/jobs/{job_id}/applications": Row((401, 201, 201, 201, 201, 201), {}),
    "GET /api/v1/jobs/{job_id}/applications": Row(MEMBERS),
    "GET /api/v1/applications/{application_id}": Row((401, 200, 404, 200, 200, 404)),
    "PATCH /api/v1/applications/{application_id}": Row((401, 403, 404, 200, 200, 404), {"stage": "interview"}),
    "PUT /api/v1/applications/{application_id}/cv": Row((401, 200, 404, 403, 403, 404), pdf=PDF),
    "GET /api/v1/applications/{application_id}/cv": Row((401, 200, 404, 200, 200, 404)),
    "POST /api/v1/applications/{application_id}/withdraw": Row((401, 200, 404, 403, 403, 404)),
    "GET /api/v1/saved-searches/{search_id}/explain": Row(OTHERS),
    "GET /docs/{file}": Row(EVERYBODY),
    "GET /api/v1/admin/users/{user_id}": Row(ADMINS),
    "POST /api/v1/admin/users/{user_id}/disable": Row(ADMINS),
    "POST /api/v1/admin/users/{user_id}/enable": Row(ADMINS),
    "GET /api/v1/admin/users/{user_id}/sessions": Row(ADMINS),
    "POST /api/v1/admin/companies/{company_id}/verify": Row(ADMINS),
    "DELETE /api/v1/admin/companies/{company_id}/verify": Row(ADMINS),
    "POST /api/v1/admin/jobs/{job_id}/take-down": Row(ADMINS, {"reason": "It asks for money."}),
}
"""The company id is that of `owner` and `recruiter`, the job id that of its draft, or of an open posting that is taken
down or applied for; the application is that of `candidate`; the user id is that of an account outside ASKERS.

That account is another recruiter of the company, or no member if the request invites it.
"""

LIST_COMPANY = """
SELECT name, version, verified, closed_at, (SELECT array_agg((user_id, role)::text ORDER BY user_id)
  FROM company_members WHERE company_id = id), (SELECT array_agg((id, version)::text ORDER BY id)
  FROM posting WHERE company_id = companies.id), (SELECT array_agg((a.id, a.version)::text ORDER BY a.id)
  FROM application a JOIN posting p ON p.id = posting_id WHERE company_id = companies.id) FROM companies WHERE id = %s
"""
LIST_ACCOUNT = """
SELECT token_epoch, disabled_at, (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND revoked_at IS NULL)
  FROM users u WHERE id = %s
"""


class Cast:
    """The callers, shared by all rows; each request gets a new company and account."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.people = {name: api.person() for name in ASKERS[1:]}
        make_company(self.people["member of another company"])
        api.query("UPDATE users SET admin = true WHERE id = %s", (self.people["admin"].id,))

    def ask(self, asker: str, label: str, row: Row) -> int:
        """The status of the request; asserts that a refused request changed nothing."""
        api, owner, account = self.api, self.people["owner"], self.api.person()
        company = make_company(owner)
        assert invite(owner, company["id"], self.people["recruiter"]).status_code == 201
        if "/members/" in label:
            assert invite(owner, company["id"], account).status_code == 201
        sql = "SELECT max(id) FROM sessions WHERE user_id = %s"
        opened = any(part in label for part in ("take-down", "applications", "sitemaps"))
        offer = DRAFT | {"state": "open"} if opened else DRAFT
        job = owner.send("POST", f"companies/{company['id']}/jobs", json=offer)
        assert job.status_code == 201
        application = None
        if "{application_id}" in label:
            apply = f"jobs/{job.json()['id']}/applications"
            candidate = self.people["candidate"]
            application = candidate.send("POST", apply, json={}).json()["id"]
            cv = candidate.send("PUT", f"applications/{application}/cv", {"Content-Type": "application/pdf"}, data=PDF)
            assert cv.status_code == 200
        run = None
        if "{run_id}" in label:
            run = owner.send("POST", f"companies/{company['id']}/feeds/ats/runs").json()["id"]
        saved = account.send("POST", "saved-searches", json={"name": "Mine", "query": "q=nurse"})
        names = {
            "search_id": saved.json()["id"],
            "source": "ats",
            "external_id": "REQ-1",
            "run_id": run,
            "application_id": application,
            "file": "start.js",
            "number": 1,
            "job_id": job.json()["id"],
            "company_id": company["id"],
            "slug": company["slug"],
            "user_id": account.id,
            "session_id": api.query(sql, (account.id,))[0][0],
        }
        method, path = label.split(" ")
        before = self._state(company["id"], account)
        body = row.body and {name: value.format(email=account.email) for name, value in row.body.items()}
        token = self.people[asker].token if asker in self.people else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": "application/x-ndjson"} if row.lines else {}
        headers |= {"Content-Type": "application/pdf"} if row.pdf else {}
        path += "?source=ats" if label.endswith("/jobs/import") else ""
        path += f"?job_id={names['job_id']}" if label.endswith("/explain") else ""
        answer = requests.request(
            method, api.url + path.format(**names), json=body, data=row.lines or row.pdf, headers=headers, timeout=30
        )
        assert answer.status_code < 400 or self._state(company["id"], account) == before
        api.query("UPDATE companies SET closed_at = now() WHERE id = %s", (company["id"],))
        return answer.status_code

    def _state(self, company_id: int, account: Person) -> list[Any]:
        return self.api.query(LIST_COMPANY, (company_id,)) + self.api.query(LIST_ACCOUNT, (account.id,))


@pytest.fixture(scope="module")
def cast(api: Api) -> Cast:
    return Cast(api)


def test_every_endpoint_with_an_id_has_a_row() -> None:
    with_id = {f"{method} {path}" for method, path in route_labels() if "{" in path and method != "HEAD"}
    assert with_id == set(MATRIX)


@pytest.mark.parametrize("label", MATRIX)
def test_each_caller_gets_the_status_of_the_matrix(cast: Cast, label: str) -> None:
    row = MATRIX[label]
    assert dict(zip(ASKERS, (cast.ask(asker, label, row) for asker in ASKERS), strict=True)) == dict(
        zip(ASKERS, row.statuses, strict=True)
    )
