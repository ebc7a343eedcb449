"""Hooks of schemathesis: which account calls, which ids exist, and which rules a schema cannot express.

Loaded by schemathesis in a process of its own (SCHEMATHESIS_HOOKS); DESCRIBED_URL is the service, DESCRIBED_ADMIN the
address of an administrator.
"""

import os
import secrets
import threading
import zlib
from collections.abc import Callable
from typing import Any

import jwt
import schemathesis
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from tests.api_client import PASSWORD, Api, Person

USES_OF_ONE_PERSON = 20
ENDS_SOMETHING = {
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/password",
    "DELETE /api/v1/auth/sessions/{session_id}",
    "DELETE /api/v1/users/me",
}
UNSAYABLE = {("password", "common_password"), ("password", "resembles_email"),
             ("new", "common_password"), ("new", "resembles_email")}  # fmt: skip


class People(threading.local):
    """Accounts and companies of one thread."""

    def __init__(self) -> None:
        self.api = Api(os.environ["DESCRIBED_URL"], _no_query)
        self.person: Person | None = None
        self.administrator: Person | None = None
        self.companies: dict[str, dict[str, Any]] = {}
        self.uses = 0

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
}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Fill three of four valid cases with ids and addresses that exist."""
    fill = REALISTIC.get(case.operation.label)
    good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if fill and good and zlib.crc32(case.id.encode()) % 4:
        fill(case)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Ignore refusals of valid data whose error codes stand for rules that a schema cannot express."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    if problem["code"] == "precondition_failed":
        return not {"If-Match", "If-None-Match"} & set(case.headers)
    found = {(each["field"], each["code"]) for each in problem.get("fields", [])}
    return problem["code"] != "invalid" or not found or not found <= UNSAYABLE


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
