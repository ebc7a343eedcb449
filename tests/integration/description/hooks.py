"""Hooks of schemathesis: which account calls, which ids exist, and which rules a schema cannot express.

Loaded by schemathesis in a process of its own (SCHEMATHESIS_HOOKS); DESCRIBED_URL is the service, DESCRIBED_ADMIN the
address of an administrator.
"""

import json
import os
import secrets
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import jwt
import schemathesis
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response, SerializationContext
from schemathesis.core.failures import AcceptedNegativeData, Failure
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
SAVED = "q=nurse&country=DE"
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
        self.applications: dict[str, dict[str, Any]] = {}

    def job(self, token: str, *, draft: bool = False) -> dict[str, Any]:
        """A posting of a company of whoever has the token, the same each time unless it is a draft."""
        if token not in self.jobs:
            company = self._sent("companies", token, {"name": "Acme"})
            self.jobs[token] = self._offered(token, company["id"], "open")
        job = self.jobs[token]
        return self._offered(token, job["company"]["id"], "draft") if draft else job

    def search(self, token: str) -> dict[str, Any]:
        """A new saved search."""
        return self._sent("saved-searches", token, {"name": "Mine", "query": SAVED})

    def open_job(self, token: str) -> dict[str, Any]:
        """A new posting of the company of `job`."""
        return self._offered(token, self.job(token)["company"]["id"], "open")

    def application(self, token: str, *, new: bool) -> dict[str, Any]:
        """An application of whoever has the token for a job of a company of theirs."""
        if new or token not in self.applications:
            job = self.open_job(token)
            self.applications[token] = self._sent(f"jobs/{job['id']}/applications", token, {})
        return self.applications[token]

    def application_with_cv(self, token: str) -> int:
        application: int = self.application(token, new=False)["id"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/pdf"}
        self.api.send("PUT", f"applications/{application}/cv", data=b"%PDF-1.4\n%%EOF\n", headers=headers)
        return application

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


def _change_settings(case: Case[Any]) -> None:
    body = _object(case)
    case.body = body | ({"time_zone": "Europe/Berlin"} if "time_zone" in body else {})


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


def _apply(case: Case[Any]) -> None:
    """To a posting that asks nothing; a key that another case has sent would be refused."""
    case.path_parameters["job_id"] = PEOPLE.job(_token(case))["id"]
    case.body = {name: value for name, value in _object(case).items() if name == "letter"}
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = secrets.token_hex(8)


def _name_application(case: Case[Any]) -> None:
    """The caller's own, and a condition that holds whatever has happened to it."""
    application = PEOPLE.application(_token(case), new=case.operation.label.endswith("/withdraw"))
    case.path_parameters["application_id"] = application["id"]
    for name, tag in (("If-Match", "*"), ("If-None-Match", '"0-0"')):
        if name in case.headers:
            case.headers[name] = tag


def _send_cv(case: Case[Any]) -> None:
    _name_application(case)
    case.body = "%PDF-1.4\n%%EOF\n"


def _read_cv(case: Case[Any]) -> None:
    case.path_parameters["application_id"] = PEOPLE.application_with_cv(_token(case))


def _list_applications(case: Case[Any]) -> None:
    case.query.pop("cursor", None)
    if "job_id" in case.path_parameters:
        case.path_parameters["job_id"] = PEOPLE.job(_token(case))["id"]


def _offer_job(case: Case[Any]) -> None:
    case.path_parameters["company_id"] = PEOPLE.job(_token(case))["company"]["id"]
    case.body = consistent(_object(case))


def _import_job(case: Case[Any]) -> None:
    _name_source(case)
    case.path_parameters["external_id"] = f"r-{secrets.token_hex(4)}"
    case.body = consistent(_object(case))


def _name_source(case: Case[Any]) -> None:
    """The caller's company; of a run, one that is under way."""
    company = PEOPLE.company(_token(case))["id"]
    case.path_parameters["company_id"] = company
    if "source" in case.path_parameters:
        case.path_parameters["source"] = f"s-{secrets.token_hex(4)}"
    if "run_id" in case.path_parameters:
        path = f"companies/{company}/feeds/{case.path_parameters['source']}/runs"
        headers = {"Authorization": f"Bearer {_token(case)}"}
        case.path_parameters["run_id"] = PEOPLE.api.send("POST", path, headers=headers).json()["id"]


def _query(case: Case[Any]) -> None:
    """Objects in the query must be JSON."""
    case.query = {"query": "{ search { nodes { id } } }", "variables": "{}"}


def _send_query(case: Case[Any]) -> None:
    case.body = {"query": "{ me { id } search(first: 1) { nodes { title } } }"}


def _follow(case: Case[Any]) -> None:
    """Cursors are sealed, and waiting takes time."""
    case.query.pop("cursor", None)
    case.query.pop("wait", None)


def _list_jobs(case: Case[Any]) -> None:
    case.path_parameters["company_id"] = PEOPLE.job(_token(case))["company"]["id"]


def _without_conditions(case: Case[Any]) -> None:
    for name in ("If-Match", "If-None-Match"):
        case.headers.pop(name, None)


def _list_openings(case: Case[Any]) -> None:
    _list_jobs(case)
    _without_conditions(case)
    case.query.pop("cursor", None)


def _fill_sitemaps(case: Case[Any]) -> None:
    _without_conditions(case)
    PEOPLE.job(_token(case))  # it is open, and its id is one of the first 50,000
    if "number" in case.path_parameters:
        case.path_parameters["number"] = 1


def _search_jobs(case: Case[Any]) -> None:
    for name in NEEDS_OTHERS:
        case.query.pop(name, None)
    for name in ("skill", "skill.all", "region", "city", "q"):
        if name in case.query:
            case.query[name] = "nurse" if name == "q" else ["Berlin"]
    _without_conditions(case)


def _read_jobs(case: Case[Any]) -> None:
    given = case.query.get("ids")
    known = [PEOPLE.job(_token(case))["id"]]
    case.query["ids"] = [*known, *given[:98]] if isinstance(given, list) else known


def _save(case: Case[Any]) -> None:
    """Without mail no search alerts."""
    case.body = _object(case) | {"query": SAVED}
    case.body.pop("frequency", None)


def _name_search(case: Case[Any]) -> None:
    """One of the caller's, and a condition that holds whatever has happened to it."""
    case.path_parameters["search_id"] = PEOPLE.search(_token(case))["id"]
    case.query.pop("cursor", None)
    for name, tag in (("If-Match", "*"), ("If-None-Match", '"0-0"')):
        if name in case.headers:
            case.headers[name] = tag


def _explain(case: Case[Any]) -> None:
    _name_search(case)
    case.query["job_id"] = PEOPLE.job(_token(case))["id"]


def _change_search(case: Case[Any]) -> None:
    _name_search(case)
    body = _object(case)
    for name in ("seen_at", "frequency"):
        body.pop(name, None)
    case.body = body | ({"query": SAVED} if "query" in body else {})


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
    "PATCH /api/v1/users/me/settings": _change_settings,
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
    "PUT /api/v1/companies/{company_id}/jobs/{source}/{external_id}": _import_job,
    "POST /api/v1/companies/{company_id}/jobs/import": _name_source,
    "POST /api/v1/companies/{company_id}/feeds/{source}/runs": _name_source,
    "GET /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}": _name_source,
    "DELETE /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}": _name_source,
    "POST /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}/lines": _name_source,
    "POST /api/v1/companies/{company_id}/feeds/{source}/runs/{run_id}/commit": _name_source,
    "GET /graphql": _query,
    "POST /graphql": _send_query,
    "GET /api/v1/changes": _follow,
    "POST /api/v1/saved-searches": _save,
    "POST /api/v1/saved-searches/preview": _save,
    "GET /api/v1/saved-searches/{search_id}": _name_search,
    "PATCH /api/v1/saved-searches/{search_id}": _change_search,
    "DELETE /api/v1/saved-searches/{search_id}": _name_search,
    "GET /api/v1/saved-searches/{search_id}/matches": _name_search,
    "GET /api/v1/saved-searches/{search_id}/explain": _explain,
    "GET /api/v1/feeds/jobs.atom": _search_jobs,
    "GET /api/v1/sitemaps/jobs.xml": _fill_sitemaps,
    "GET /api/v1/sitemaps/jobs-{number}.xml": _fill_sitemaps,
    "GET /api/v1/companies/{company_id}/jobs.json": _list_openings,
    "GET /api/v1/jobs": _search_jobs,
    "GET /api/v1/jobs/batch": _read_jobs,
    "GET /api/v1/jobs/{job_id}": _name_job,
    "PATCH /api/v1/jobs/{job_id}": _change_job,
    "DELETE /api/v1/jobs/{job_id}": _name_job,
    "GET /api/v1/jobs/{job_id}/similar": _name_job,
    "POST /api/v1/jobs/{job_id}/applications": _apply,
    "GET /api/v1/jobs/{job_id}/applications": _list_applications,
    "GET /api/v1/applications": _list_applications,
    "GET /api/v1/applications/{application_id}": _name_application,
    "PATCH /api/v1/applications/{application_id}": _name_application,
    "PUT /api/v1/applications/{application_id}/cv": _send_cv,
    "GET /api/v1/applications/{application_id}/cv": _read_cv,
    "POST /api/v1/applications/{application_id}/withdraw": _name_application,
}


@schemathesis.serializer("application/x-ndjson")
def ndjson(context: SerializationContext, value: Any) -> bytes:
    """Lines as they are; a value that is no text as one line of JSON."""
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.serializer("application/pdf")
def pdf(context: SerializationContext, value: Any) -> bytes:
    """The text of a file."""
    return str(value).encode(errors="replace")


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


FULL = ("too_many_notes", "too_many_stages")
"""Codes of refusals after many cases for the same application."""


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Ignore refusals of valid data that break a rule which no schema can express."""
    if isinstance(failure, EnsureResourceAvailability):
        return case.operation.label != INVITING or bool(response.json().get("detail") != NO_ACCOUNT)
    if isinstance(failure, AcceptedNegativeData) and case.operation.label.endswith(("/jobs/import", "/lines")):
        return False  # each line is reported, whatever it is
    if not isinstance(failure, RejectedPositiveData):
        return True
    return not _unsayable(case, response)


def _unsayable(case: Case[Any], response: Response) -> bool:
    """Whether valid data were refused because of a rule that no schema can express."""
    problem = response.json()
    if problem["code"] == "precondition_failed":
        return bool({"If-Match", "If-None-Match"} & set(case.headers))
    if problem["code"] == "gone":
        return any(part in case.operation.label for part in ("{job_id}", "/changes"))
    if problem["code"] == "malformed_json":
        return bool(case.operation.label == "GET /graphql")  # its parameters are JSON in a text
    if problem["code"] == "idempotency_key_reused":
        return "Idempotency-Key" in case.headers
    if problem["code"] == "uri_too_long":
        return len(str(response.request.url)) > TARGET_MAX
    sent = case.body if isinstance(case.body, dict) else case.query
    fields = problem.get("fields", [])
    invalid = all(unsayable(each["field"], each["code"], sent) for each in fields)
    return problem["code"] in FULL or (problem["code"] == "invalid" and invalid)


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
