"""HTTP resources of accounts by mail."""

from collections.abc import Callable
from typing import ClassVar

import falcon
import msgspec

from app.accounts.pages import PAGE_POLICY, done_page, form_page, language_of
from app.accounts.schemas import LinkToken, NewAddress, NewPasswordByLink, PageForm, Recovery
from app.accounts.service import AccountsService
from app.auth.links.tokens import Purpose
from app.auth.resources import client_of
from app.auth.schemas import Client
from app.errors import (
    BadRequest,
    FieldError,
    Invalid,
    NotFound,
    ProductError,
    RateLimited,
    Unavailable,
    UnsupportedMediaType,
)
from app.web.bodies import FORM, read_form, read_json
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.resource import Resource, headers_of

_LINK_ERRORS = (400, 404, 409, 415, 422, 429, 503)
_TOKEN = Parameter("token", "query", {"type": "string"}, "of the link")


class _AccountsResource(Resource):
    public = True

    def __init__(self, accounts: AccountsService) -> None:
        self._accounts = accounts


class Verifications(_AccountsResource):
    """Proves addresses."""

    @operation(Operation("Prove an address by the link's token", {204: None}, body=LinkToken, errors=_LINK_ERRORS))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._accounts.verify(read_json(req, LinkToken).token, client_of(req))
        resp.status = 204


class Recoveries(Resource):
    """Sends links by which a lost password is replaced."""

    public = True
    counted = False

    def __init__(self, accounts: AccountsService, may_ask: Callable[[Client], object]) -> None:
        self._accounts, self._may_ask = accounts, may_ask

    @operation(
        Operation(
            "Mail a recovery link to an account; the answer is the same if no account has the address",
            {202: None},
            body=Recovery,
            errors=(400, 409, 415, 422, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._may_ask(client_of(req))
        self._accounts.ask_recovery(read_json(req, Recovery).email)
        resp.status = 202


class PasswordResets(_AccountsResource):
    """Replaces lost passwords."""

    @operation(
        Operation(
            "Set a new password by the link's token; ends every session",
            {204: None},
            body=NewPasswordByLink,
            errors=_LINK_ERRORS,
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = read_json(req, NewPasswordByLink)
        self._accounts.reset_password(given.token, given.password, client_of(req))
        resp.status = 204


class AddressChanges(_AccountsResource):
    """Gives accounts their new addresses."""

    @operation(Operation("Change the address by the link's token", {204: None}, body=LinkToken, errors=_LINK_ERRORS))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._accounts.change_address(read_json(req, LinkToken).token, client_of(req))
        resp.status = 204


class Acceptances(_AccountsResource):
    """Accepts invitations."""

    @operation(Operation("Accept an invitation by the link's token", {204: None}, body=LinkToken, errors=_LINK_ERRORS))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._accounts.accept_invitation(read_json(req, LinkToken).token, client_of(req))
        resp.status = 204


class OwnVerification(Resource):
    """Sends the user another link that proves the address."""

    def __init__(self, accounts: AccountsService) -> None:
        self._accounts = accounts

    @operation(
        Operation(
            "Mail another link that proves your address, unless it is proven", {202: None}, errors=(401, 409, 429, 503)
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._accounts.ask_verification(req.context.identity.user_id, client_of(req))
        resp.status = 202


class OwnAddress(Resource):
    """Changes the user's address, which the new one has to confirm."""

    def __init__(self, accounts: AccountsService) -> None:
        self._accounts = accounts

    @operation(
        Operation(
            "Mail a link to a new address; your account has it once the link is used",
            {202: None},
            body=NewAddress,
            errors=(400, 401, 403, 409, 415, 422, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        identity = req.context.identity
        new = read_json(req, NewAddress)
        self._accounts.ask_change(identity.user_id, identity.session_id, new, client_of(req))
        resp.status = 202


def _language(req: falcon.Request) -> str:
    return language_of(req.get_header("Accept-Language") or "")


_SHOWN = Operation(
    "The page of a link", {200: str}, errors=(400, 429), parameters=(_TOKEN,), media_type=falcon.MEDIA_HTML
)
_USED = Operation(
    "Use the link",
    {200: str, 400: str, 404: str, 409: str, 422: str},
    body=PageForm,
    body_type=FORM,
    errors=(415, 429, 503),
    media_type=falcon.MEDIA_HTML,
)


def _token(req: falcon.Request) -> str:
    token = req.params.get("token", "")
    if not isinstance(token, str):
        raise BadRequest("token must be given once")
    return token


def _show(resp: falcon.Response, page: bytes, status: int = 200) -> None:
    resp.data, resp.status, resp.content_type = page, status, falcon.MEDIA_HTML
    headers = headers_of(resp)
    headers["content-security-policy"] = PAGE_POLICY
    headers["referrer-policy"] = "no-referrer"


class _Page(_AccountsResource):
    """A page without scripts; nothing happens until its form is sent, for programs follow links in mails, too."""

    purpose: ClassVar[Purpose]

    def _act(self, form: PageForm, client: Client) -> None:
        raise NotImplementedError

    @operation(_SHOWN)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _show(resp, form_page(self.purpose, _language(req), _token(req)))

    on_head = on_get

    @operation(_USED)
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        form = PageForm()
        try:
            form = read_form(req, PageForm)
            self._act(form, client_of(req))
        except (RateLimited, Unavailable, UnsupportedMediaType):
            raise
        except ProductError as error:
            _show(resp, form_page(self.purpose, _language(req), form.token, error.code), error.status)
        else:
            _show(resp, done_page(self.purpose, _language(req)))


class VerifyPage(_Page):
    """Proves an address."""

    purpose = "verify"

    def _act(self, form: PageForm, client: Client) -> None:
        self._accounts.verify(form.token, client)


class ChangePage(_Page):
    """Changes an address."""

    purpose = "change"

    def _act(self, form: PageForm, client: Client) -> None:
        self._accounts.change_address(form.token, client)


class RecoverPage(_Page):
    """Replaces a password."""

    purpose = "recover"

    def _act(self, form: PageForm, client: Client) -> None:
        try:
            given = msgspec.convert(msgspec.to_builtins(form), NewPasswordByLink)
        except msgspec.ValidationError as error:
            self._accounts.require_recovery(form.token)
            raise Invalid([FieldError("password", "invalid", str(error))]) from None
        self._accounts.reset_password(given.token, given.password, client)


class InvitePage(_Page):
    """Accepts an invitation."""

    purpose = "invite"

    def _act(self, form: PageForm, client: Client) -> None:
        self._accounts.accept_invitation(form.token, client)


class UnsubscribePage(Resource):
    """Ends alerts: for people, and with one request for mail programs (RFC 8058), which send the token in the URL."""

    public = True

    def __init__(self, unsubscribe: Callable[[str], object]) -> None:
        self._unsubscribe = unsubscribe

    @operation(_SHOWN)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _show(resp, form_page("unsubscribe", _language(req), _token(req)))

    on_head = on_get

    @operation(
        Operation(
            "End the alerts that a digest's link ends; the body does not matter",
            {200: str, 404: str},
            errors=(400, 429, 503),
            parameters=(_TOKEN,),
            media_type=falcon.MEDIA_HTML,
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        token = _token(req)
        try:
            self._unsubscribe(token)
        except NotFound as error:
            _show(resp, form_page("unsubscribe", _language(req), token, error.code), error.status)
        else:
            _show(resp, done_page("unsubscribe", _language(req)))


def all_resources(
    accounts: AccountsService, may_ask: Callable[[Client], object], unsubscribe: Callable[[str], object]
) -> list[Resource]:
    """Every resource of this module; `may_ask` counts a request for a mail and raises RateLimited.

    `unsubscribe` ends alerts by a token.
    """
    kinds = (
        Verifications, PasswordResets, AddressChanges, Acceptances, OwnVerification, OwnAddress,
        VerifyPage, ChangePage, RecoverPage, InvitePage,
    )  # fmt: skip
    return [Recoveries(accounts, may_ask), UnsubscribePage(unsubscribe), *(kind(accounts) for kind in kinds)]
