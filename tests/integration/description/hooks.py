"""Hooks of schemathesis: which account calls, which ids exist, and which rules a schema cannot express.

Loaded by schemathesis in a process of its own (SCHEMATHESIS_HOOKS); DESCRIBED_URL is the service, DESCRIBED_ADMIN the
address of an administrator.
"""

import os
import secrets
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import jwt
import schemathesis
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.generation.meta import CoveragePhaseData
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

from tests.api_client import PASSWORD, Api, Person
from tests.integration.description.rules import consistent, unsayable

USES_OF_ONE_PERSON = 20
VALUES_MAX = 20
SENT: Counter[tuple[str, str, str]] = Counter()
TARGET_MAX = 8_000
"""A longer target may be refused: the server takes 8 KiB, in which it counts what a proxy may add."""
INVITING, NO_ACCOUNT = "POST /api/v1/companies/{company_id}/members", "there is no account with this address"
ENDS_SOMETHING = {
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/password",
    "DELETE /api/v1/auth/sessions/{session_id}",
    "DELETE /api/v1/users/me",
}
NEEDS_OTHERS = ("cursor", "near", "radius_km", "sort", "salary_min", "salary_currency", "salary_unit")
"""Parameters of a search that mean something only beside others."""


class People(threading.local):
    """Accounts and companies of one thread."""

    def __init__(self) -> None:
        self.api = Api(os.environ["DESCRIBED_URL"], _no_query)
        self.person: Person | None = None
        self.administrator: Person | None = None
        self.companies: dict[str, dict[str, Any]] = {}
        self.uses = 0
        self.jobs: dict[str, dict[str, Any]] = {}

    def job(self, token: str, *, draft: bool = False) -> dict[str, Any]:
        """A posting of a company of whoever has the token, the same each time unless it is a draft."""
        if token not in self.jobs:
            company = self._sent("companies", token, {"name": "Acme"})
            self.jobs[token] = self._offered(token, company["id"], "open")
        job = self.jobs[token]
        return self._offered(token, job["company"]["id"], "draft") if draft else job

    def open_job(self, token: str) -> dict[str, Any]:
        """A new posting of the company of `job`."""
        return self._offered(token, self.job(token)["company"]["id"], "open")

    def _offered(self, token: str, company_id: int, state: str) -> dict[str, Any]:
        said = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": state}
        return self._sent(f"companies/{company_id}/jobs", token, said)

    def _sent(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.send("POST", path, json=body, headers={"Authorization": f"Bearer {token}"})
        made: dict[str, Any] = answer.json()
        return made

    def somebody(self) -> Person:
        """A logged-in account that several cases share; its session must not be ended."""
        if self.person is None or self.uses >= USES_OF_ONE_PERSON:
            self.person, self.uses = self.api.person(), 0
        self.uses += 1
        return self.person

    def somebody_new(self) -> Person:
        return self.api.person()

    def admin(self) -> Person:
        if self.administrator is None:
            self.administrator = Person(self.api, 0, os.environ["DESCRIBED_ADMIN"]).log_in()
        return self.administrator

    def company(self, token: str) -> dict[str, Any]:
        """A company owned by the account of `token`; the same one on each call."""
        if token not in self.companies:
            self.companies[token] = self.new_company(token)
        return self.companies[token]

    def new_company(self, token: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        made: dict[str, Any] = self.api.send("POST", "companies", json={"name": "Acme"}, headers=headers).json()
        return made

    def recruiter(self, token: str) -> Person:
        """A new recruiter of the company of `token`."""
        person = self.api.register()
        body = {"email": person.email, "role": "recruiter"}
        path = f"companies/{self.company(token)['id']}/members"
        self.api.send("POST", path, json=body, headers={"Authorization": f"Bearer {token}"})
        return person


def _no_query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    raise NotImplementedError("these tests use HTTP only")


PEOPLE = People()


@schemathesis.auth(refresh_interval=None)
class Caller:
    """The account whose token a case sends; a new account if the operation ends the session."""

    def get(self, case: Case[Any], context: AuthContext) -> Person | None:
        if not context.operation.definition.raw.get("security"):
            return None
        label = context.operation.label
        if "/admin/" in label:
            return PEOPLE.admin()
        return PEOPLE.somebody_new() if label in ENDS_SOMETHING else PEOPLE.somebody()

    def set(self, case: Case[Any], data: Person, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data.token}"


def _register(case: Case[Any]) -> None:
    simple = {"password": PASSWORD} if zlib.crc32(case.id.encode()) % 8 > 4 else {}
    case.body = _object(case) | {"email": PEOPLE.api.new_email()} | simple


def _log_in(case: Case[Any]) -> None:
    case.body = {"email": PEOPLE.somebody().email, "password": PASSWORD}


def _refresh(case: Case[Any]) -> None:
    case.body = {"refresh_token": PEOPLE.somebody_new().refresh_token}


def _revoke(case: Case[Any]) -> None:
    case.body = {"token": PEOPLE.somebody_new().refresh_token}


def _change_password(case: Case[Any]) -> None:
    case.body = _object(case) | {"current": PASSWORD}


def _delete_account(case: Case[Any]) -> None:
    case.body = {"password": PASSWORD}
    _name_the_version(case)


def _end_session(case: Case[Any]) -> None:
    case.path_parameters["session_id"] = int(_claims(case)["sid"])


def _read_user(case: Case[Any]) -> None:
    case.path_parameters["user_id"] = PEOPLE.somebody().id


def _read_batch(case: Case[Any]) -> None:
    given = case.query.get("ids")
    known = [PEOPLE.somebody().id, int(_claims(case)["sub"])]
    case.query["ids"] = [*known, *given[:98]] if isinstance(given, list) else known


def _name_company(case: Case[Any]) -> None:
    """Use the caller's company, and conditional headers that hold for each of its versions."""
    company = PEOPLE.company(_token(case))
    if "slug" in case.path_parameters:
        case.path_parameters["slug"] = company["slug"]
    else:
        case.path_parameters["company_id"] = company["id"]
    for name, tag in (("If-Match", "*"), ("If-None-Match", '"0-0"')):
        if name in case.headers:
            case.headers[name] = tag


def _make_company(case: Case[Any]) -> None:
    """A slug that is asked for is free."""
    body = _object(case)
    case.body = body | ({"slug": f"s-{secrets.token_hex(8)}"} if "slug" in body else {})


def _close_company(case: Case[Any]) -> None:
    _name_company(case)
    case.path_parameters["company_id"] = PEOPLE.new_company(_token(case))["id"]


def _invite(case: Case[Any]) -> None:
    _name_company(case)
    case.body = _object(case) | {"email": PEOPLE.api.register().email}


def _name_member(case: Case[Any]) -> None:
    _name_company(case)
    case.path_parameters["user_id"] = PEOPLE.recruiter(_token(case)).id


def _name_account(case: Case[Any]) -> None:
    case.path_parameters["user_id"] = PEOPLE.api.register().id


def _verify(case: Case[Any]) -> None:
    case.path_parameters["company_id"] = PEOPLE.company(PEOPLE.somebody().token)["id"]


def _take_down(case: Case[Any]) -> None:
    case.path_parameters["job_id"] = PEOPLE.open_job(PEOPLE.somebody().token)["id"]


def _name_job(case: Case[Any]) -> None:
    """One that is open and the caller's, and a condition that holds whatever has happened to it."""
    case.path_parameters["job_id"] = PEOPLE.job(_token(case), draft=case.method == "DELETE")["id"]
    for name, tag in (("If-Match", "*"), ("If-None-Match", '"0-0"')):
        if name in case.headers:
            case.headers[name] = tag


def _change_job(case: Case[Any]) -> None:
    _name_job(case)
    body = consistent(_object(case))
    body.pop("state", None)
    case.body = body


def _offer_job(case: Case[Any]) -> None:
    case.path_parameters["company_id"] = PEOPLE.job(_token(case))["company"]["id"]
    case.body = consistent(_object(case))


def _list_jobs(case: Case[Any]) -> None:
    case.path_parameters["company_id"] = PEOPLE.job(_token(case))["company"]["id"]


def _search_jobs(case: Case[Any]) -> None:
    for name in NEEDS_OTHERS:
        case.query.pop(name, None)
    for name in ("skill", "skill.all", "region", "city", "q"):
        if name in case.query:
            case.query[name] = "nurse" if name == "q" else ["Berlin"]
    for name in ("If-Match", "If-None-Match"):
        case.headers.pop(name, None)


def _read_jobs(case: Case[Any]) -> None:
    given = case.query.get("ids")
    known = [PEOPLE.job(_token(case))["id"]]
    case.query["ids"] = [*known, *given[:98]] if isinstance(given, list) else known


def _name_the_version(case: Case[Any]) -> None:
    """Replace the conditional headers of the case, if any, by versions of the caller's own profile.

    A change fails if If-None-Match names the current version (1), so it names version 0.
    """
    for name, version in (("If-Match", 1), ("If-None-Match", int(case.method == "GET"))):
        if name in case.headers:
            case.headers[name] = f'"{_claims(case)["sub"]}-{version}"'


REALISTIC: dict[str, Callable[[Case[Any]], None]] = {
    "POST /api/v1/auth/register": _register,
    "POST /api/v1/auth/login": _log_in,
    "POST /api/v1/auth/refresh": _refresh,
    "POST /api/v1/auth/revoke": _revoke,
    "POST /api/v1/auth/password": _change_password,
    "DELETE /api/v1/users/me": _delete_account,
    "DELETE /api/v1/auth/sessions/{session_id}": _end_session,
    "GET /api/v1/users/{user_id}": _read_user,
    "GET /api/v1/users/batch": _read_batch,
    "GET /api/v1/users/me": _name_the_version,
    "PATCH /api/v1/users/me": _name_the_version,
    "POST /api/v1/companies": _make_company,
    "GET /api/v1/companies/{company_id}": _name_company,
    "PATCH /api/v1/companies/{company_id}": _name_company,
    "DELETE /api/v1/companies/{company_id}": _close_company,
    "GET /api/v1/companies/by-slug/{slug}": _name_company,
    "GET /api/v1/companies/{company_id}/members": _name_company,
    "POST /api/v1/companies/{company_id}/members": _invite,
    "GET /api/v1/companies/{company_id}/members/{user_id}": _name_member,
    "PUT /api/v1/companies/{company_id}/members/{user_id}": _name_member,
    "DELETE /api/v1/companies/{company_id}/members/{user_id}": _name_member,
    "GET /api/v1/admin/users/{user_id}": _name_account,
    "POST /api/v1/admin/users/{user_id}/disable": _name_account,
    "POST /api/v1/admin/users/{user_id}/enable": _name_account,
    "GET /api/v1/admin/users/{user_id}/sessions": _name_account,
    "POST /api/v1/admin/companies/{company_id}/verify": _verify,
    "DELETE /api/v1/admin/companies/{company_id}/verify": _verify,
    "POST /api/v1/admin/jobs/{job_id}/take-down": _take_down,
    "GET /api/v1/companies/{company_id}/jobs": _list_jobs,
    "POST /api/v1/companies/{company_id}/jobs": _offer_job,
    "GET /api/v1/jobs": _search_jobs,
    "GET /api/v1/jobs/batch": _read_jobs,
    "GET /api/v1/jobs/{job_id}": _name_job,
    "PATCH /api/v1/jobs/{job_id}": _change_job,
    "DELETE /api/v1/jobs/{job_id}": _name_job,
    "GET /api/v1/jobs/{job_id}/similar": _name_job,
}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Fill three of four valid cases with ids and addresses that exist."""
    fill = REALISTIC.get(case.operation.label)
    good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if fill and good and zlib.crc32(case.id.encode()) % 4:
        fill(case)


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Of an enumeration send the first values only; all codes of countries and currencies would be most cases."""
    phase = case.meta and case.meta.phase.data
    if not isinstance(phase, CoveragePhaseData) or "Enum value" not in phase.description:
        return True
    enumeration = (case.operation.label, str(phase.parameter), phase.description)
    SENT[enumeration] += 1
    return SENT[enumeration] <= VALUES_MAX


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Ignore refusals of valid data that break a rule which no schema can express."""
    if isinstance(failure, EnsureResourceAvailability):
        return case.operation.label != INVITING or bool(response.json().get("detail") != NO_ACCOUNT)
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    if problem["code"] == "precondition_failed":
        return not {"If-Match", "If-None-Match"} & set(case.headers)
    if problem["code"] == "gone":
        return "{job_id}" not in case.operation.label
    if problem["code"] == "uri_too_long":
        return len(str(response.request.url)) <= TARGET_MAX
    sent = case.body if isinstance(case.body, dict) else case.query
    fields = problem.get("fields", [])
    return problem["code"] != "invalid" or not all(unsayable(each["field"], each["code"], sent) for each in fields)


def _object(case: Case[Any]) -> dict[str, Any]:
    assert isinstance(case.body, dict), "a valid body is an object"
    return case.body


def _token(case: Case[Any]) -> str:
    """The caller's token, or a shared account's if the operation needs none."""
    given = case.headers.get("Authorization")
    return str(given).removeprefix("Bearer ") if given else PEOPLE.somebody().token


def _claims(case: Case[Any]) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(_token(case), options={"verify_signature": False})
    return claims
