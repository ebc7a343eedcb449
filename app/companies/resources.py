"""HTTP resources of companies."""

from typing import Any

import falcon

from app.auth.resources import client_of
from app.companies.schemas import (
    SLUG,
    SLUG_MAX,
    Company,
    CompanyFact,
    CompanyPatch,
    Invitation,
    Member,
    Members,
    NewCompany,
    OwnCompanies,
    RoleChange,
)
from app.companies.service import CompanyService
from app.web.bodies import JSON, MERGE_PATCH, read_json, read_one_of
from app.web.converters import ID_SCHEMA
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import PAGING, page_asked
from app.web.resource import READING, Resource, answer, headers_of, locate

_COMPANY = Parameter("company_id", "path", ID_SCHEMA, "", required=True)
_MEMBER = Parameter("user_id", "path", ID_SCHEMA, "the member's account", required=True)
_SLUG = {"type": "string", "pattern": SLUG, "maxLength": SLUG_MAX}
_WRITING = (400, 401, 403, 404, 415, 422, 429, 503)
_CHANGES: dict[str, type[CompanyPatch]] = {JSON: CompanyPatch, MERGE_PATCH: CompanyPatch}


def _show(resp: falcon.Response, fact: CompanyFact) -> None:
    headers = headers_of(resp)
    headers["etag"] = fact.tag
    headers["cache-control"] = "private, no-cache"
    resp.data = fact.json


class _CompanyResource(Resource):
    def __init__(self, companies: CompanyService) -> None:
        self._companies = companies


class Companies(_CompanyResource):
    """Creates companies."""

    @operation(
        Operation(
            "Create a company and become its owner",
            {201: Company},
            body=NewCompany,
            errors=(400, 401, 409, 415, 422, 429, 503),
            headers={201: ("ETag", "Location")},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        fact = self._companies.create(req.context.identity.user_id, read_json(req, NewCompany), client_of(req))
        _show(resp, fact)
        resp.status = 201
        locate(req, resp, f"/api/v1/companies/{fact.brief.id}")


class OneCompany(_CompanyResource):
    """A company: public to read, changed by its owners only."""

    open_to_all = READING

    def tag(self, req: falcon.Request, **params: Any) -> str:
        company_id: int = params["company_id"]
        if req.method not in READING:
            self._companies.require(company_id, req.context.identity.user_id, owner=True)
        return self._companies.company(company_id).tag

    @operation(
        Operation(
            "Read a company",
            {200: Company, 304: None},
            errors=(401, 404, 429, 503),
            parameters=(_COMPANY,),
            headers={200: ("ETag",), 304: ("ETag",)},
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        _show(resp, self._companies.company(company_id))

    on_head = on_get

    @operation(
        Operation(
            "Change a company; owners only",
            {200: Company},
            body=CompanyPatch,
            other_bodies={MERGE_PATCH: CompanyPatch},
            errors=_WRITING,
            parameters=(_COMPANY,),
            headers={200: ("ETag",)},
        )
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        user_id, version = req.context.identity.user_id, req.context.held_version
        _show(resp, self._companies.change(company_id, user_id, read_one_of(req, _CHANGES), version))

    @operation(
        Operation(
            "Close a company for good and end its memberships; owners only",
            {204: None},
            errors=(401, 403, 404, 429, 503),
            parameters=(_COMPANY,),
        )
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        user_id, version = req.context.identity.user_id, req.context.held_version
        self._companies.close(company_id, user_id, version, client_of(req))
        resp.status = 204


class CompanyBySlug(_CompanyResource):
    """A company by its slug, its name in URLs."""

    open_to_all = READING

    @operation(
        Operation(
            "Read a company by its slug",
            {200: Company, 304: None},
            errors=(401, 404, 429, 503),
            parameters=(Parameter("slug", "path", _SLUG, "", required=True),),
            headers={200: ("ETag",), 304: ("ETag",)},
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, slug: str) -> None:
        _show(resp, self._companies.by_slug(slug))

    on_head = on_get

    def tag(self, req: falcon.Request, **params: object) -> str:
        return self._companies.by_slug(str(params["slug"])).tag


class CompanyMembers(_CompanyResource):
    """The members of a company."""

    @operation(
        Operation(
            "List the members; members only",
            {200: Members},
            errors=(400, 401, 403, 404, 429, 503),
            parameters=(_COMPANY, *PAGING),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        answer(resp, self._companies.members(company_id, req.context.identity.user_id, *page_asked(req)))

    on_head = on_get

    @operation(
        Operation(
            "Invite by mail (202), or without mail add the account with this address at once; owners only",
            {201: Member, 202: None},
            body=Invitation,
            errors=(*_WRITING, 409),
            parameters=(_COMPANY,),
            headers={201: ("Location",)},
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        user_id = req.context.identity.user_id
        invitation = read_json(req, Invitation)
        if self._companies.invite_by_mail(company_id, user_id, invitation):
            resp.status = 202
            return
        member = self._companies.invite(company_id, user_id, invitation, client_of(req))
        answer(resp, member, 201)
        locate(req, resp, f"/api/v1/companies/{company_id}/members/{member.user_id}")


class CompanyMember(_CompanyResource):
    """One member of a company."""

    @operation(
        Operation(
            "Read a member; members only",
            {200: Member},
            errors=(401, 403, 404, 429, 503),
            parameters=(_COMPANY, _MEMBER),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, company_id: int, user_id: int) -> None:
        answer(resp, self._companies.member(company_id, req.context.identity.user_id, user_id))

    on_head = on_get

    @operation(
        Operation(
            "Change the role of a member; owners only. 409 if no owner would be left",
            {200: Member},
            body=RoleChange,
            errors=(*_WRITING, 409),
            parameters=(_COMPANY, _MEMBER),
        )
    )
    def on_put(self, req: falcon.Request, resp: falcon.Response, company_id: int, user_id: int) -> None:
        actor_id = req.context.identity.user_id
        role = read_json(req, RoleChange).role
        answer(resp, self._companies.set_role(company_id, actor_id, user_id, role, client_of(req)))

    @operation(
        Operation(
            "Remove a member (owners only), or leave the company (any member). 409 if no owner would be left",
            {204: None},
            errors=(401, 403, 404, 409, 429, 503),
            parameters=(_COMPANY, _MEMBER),
        )
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response, company_id: int, user_id: int) -> None:
        self._companies.remove(company_id, req.context.identity.user_id, user_id, client_of(req))
        resp.status = 204


class OwnCompaniesList(_CompanyResource):
    """The companies of which the user is a member."""

    @operation(
        Operation(
            "List the companies you are a member of",
            {200: OwnCompanies},
            errors=(400, 401, 429, 503),
            parameters=PAGING,
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._companies.own(req.context.identity.user_id, *page_asked(req)))

    on_head = on_get


def all_resources(companies: CompanyService) -> list[Resource]:
    """Every resource of this module."""
    kinds = (Companies, OneCompany, CompanyBySlug, CompanyMembers, CompanyMember, OwnCompaniesList)
    return [kind(companies) for kind in kinds]
