"""HTTP resources of administration; each responder first checks that the user is an administrator."""

import re
from typing import Any

import falcon

from app.admin.schemas import Account, Accounts, AuditEntries, TakingDown
from app.admin.service import AdminService, Wanted
from app.auth.resources import client_of
from app.auth.schemas import Sessions
from app.companies.schemas import Company, CompanyFact
from app.errors import BadRequest
from app.jobs.schemas import Job
from app.users.email import FORM, LENGTH_MAX
from app.web.bodies import read_json
from app.web.converters import ID_SCHEMA
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import PAGING, number_asked, page_asked
from app.web.resource import Resource, answer, headers_of
from app.web.texts import VISIBLE_TEXT, checked_text

_USER = Parameter("user_id", "path", ID_SCHEMA, "", required=True)
_COMPANY = Parameter("company_id", "path", ID_SCHEMA, "", required=True)
_JOB = Parameter("job_id", "path", ID_SCHEMA, "", required=True)
_ERRORS = (401, 404, 429, 503)
_IDS = ("actor_id", "company_id")
_EMAIL = {"type": "string", "minLength": 3, "maxLength": LENGTH_MAX, "pattern": FORM}
_NAME = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": VISIBLE_TEXT}
_EVENT = {"type": "string", "pattern": "^[a-z_]{1,40}$"}
_event = re.compile("[a-z_]{1,40}").fullmatch


class _AdminResource(Resource):
    def __init__(self, admin: AdminService) -> None:
        self._admin = admin

    def _actor(self, req: falcon.Request) -> int:
        """The id of the administrator; raises NotFound for any other user."""
        return self._admin.require(req.context.identity.user_id)


class AdminUsers(_AdminResource):
    """Searches and lists accounts."""

    @operation(
        Operation(
            "Find accounts by `id`, `email` and a part of the `name`, or list all; administrators only",
            {200: Accounts},
            errors=(400, *_ERRORS),
            parameters=(
                Parameter("id", "query", ID_SCHEMA, "of the account"),
                Parameter("email", "query", _EMAIL, "in any spelling"),
                Parameter("name", "query", _NAME, "in any case"),
                *PAGING,
            ),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._actor(req)
        name = _text(req, "name", 100) or ""
        wanted = Wanted(number_asked(req, "id"), _text(req, "email", LENGTH_MAX), name)
        answer(resp, self._admin.accounts(wanted, *page_asked(req)))

    on_head = on_get


class AdminUser(_AdminResource):
    """One account."""

    @operation(Operation("Read an account; administrators only", {200: Account}, errors=_ERRORS, parameters=(_USER,)))
    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        self._actor(req)
        answer(resp, self._admin.account(user_id))

    on_head = on_get


class Disabling(_AdminResource):
    """Disables an account: ends its sessions and refuses logins until it is enabled."""

    @operation(
        Operation(
            "Disable an account; 200 means that no worker accepts its tokens any more; administrators only",
            {200: Account},
            errors=(*_ERRORS, 409),
            parameters=(_USER,),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        answer(resp, self._admin.disable(user_id, self._actor(req), client_of(req)))


class Enabling(_AdminResource):
    """Enables a disabled account."""

    @operation(
        Operation(
            "Enable a disabled account, so that its user can log in again; administrators only",
            {200: Account},
            errors=_ERRORS,
            parameters=(_USER,),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        answer(resp, self._admin.enable(user_id, self._actor(req), client_of(req)))


class AdminSessions(_AdminResource):
    """The live sessions of an account."""

    @operation(
        Operation(
            "List the live sessions of an account; administrators only",
            {200: Sessions},
            errors=(400, *_ERRORS),
            parameters=(_USER, *PAGING),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        self._actor(req)
        answer(resp, self._admin.sessions(user_id, *page_asked(req)))

    on_head = on_get


class Verification(_AdminResource):
    """Marks a company as verified, or as not verified."""

    @operation(
        Operation("Verify a company; administrators only", {200: Company}, errors=_ERRORS, parameters=(_COMPANY,))
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        _show(resp, self._admin.verify(company_id, True, self._actor(req), client_of(req)))

    @operation(
        Operation(
            "Withdraw the verification of a company; administrators only",
            {200: Company},
            errors=_ERRORS,
            parameters=(_COMPANY,),
        )
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        _show(resp, self._admin.verify(company_id, False, self._actor(req), client_of(req)))


class TakeDown(_AdminResource):
    """Closes a posting for good."""

    @operation(
        Operation(
            "Take a posting down: it is closed for good, and its company reads why; administrators only",
            {200: Job},
            body=TakingDown,
            errors=(400, *_ERRORS, 409, 415, 422),
            parameters=(_JOB,),
            headers={200: ("ETag",)},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, job_id: int) -> None:
        actor_id = self._actor(req)
        reason = read_json(req, TakingDown).reason
        fact, company = self._admin.take_down(job_id, reason, actor_id, client_of(req))
        headers_of(resp)["etag"] = fact.tag(company)
        resp.data = fact.json(company)


class Audit(_AdminResource):
    """The audit log."""

    @operation(
        Operation(
            "Read the audit log, or the entries that match every filter; administrators only",
            {200: AuditEntries},
            errors=(400, *_ERRORS),
            parameters=(
                Parameter("user_id", "query", ID_SCHEMA, "the account concerned"),
                Parameter("actor_id", "query", ID_SCHEMA, "the account that acted"),
                Parameter("company_id", "query", ID_SCHEMA, "the company concerned"),
                Parameter("event", "query", _EVENT, "such as logged_in"),
                *PAGING,
            ),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._actor(req)
        event = _text(req, "event", 40)
        if event is not None and not _event(event):
            raise BadRequest("event must be a word such as logged_in")
        given: dict[str, Any] = {name: number_asked(req, name) for name in _IDS} | {"event": event}
        filters = {name: value for name, value in given.items() if value is not None}
        answer(resp, self._admin.audit(number_asked(req, "user_id"), filters, *page_asked(req)))

    on_head = on_get


def all_resources(administration: AdminService) -> list[Resource]:
    """Every resource of this module."""
    kinds = (AdminUsers, AdminUser, Disabling, Enabling, AdminSessions, Verification, TakeDown, Audit)
    return [kind(administration) for kind in kinds]


def _text(req: falcon.Request, name: str, most: int) -> str | None:
    """A text parameter of the query, None if it is missing; raises BadRequest if it is not valid."""
    given = req.params.get(name)
    if given is None:
        return None
    try:
        if not isinstance(given, str) or not 1 <= len(given) <= most:
            raise ValueError(f"must be one text of 1 to {most} characters")
        return checked_text(given)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from None


def _show(resp: falcon.Response, fact: CompanyFact) -> None:
    headers_of(resp)["etag"] = fact.tag
    resp.data = fact.json
