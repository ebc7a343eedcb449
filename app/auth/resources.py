"""HTTP resources of accounts and sessions."""

import falcon

from app.auth.schemas import (
    Client,
    Credentials,
    PasswordChange,
    Refresh,
    Registration,
    Revocation,
    Sessions,
    Tokens,
)
from app.auth.service import AuthService
from app.auth.tokens import AccessTokens, Claims
from app.errors import BadRequest, Unauthenticated
from app.infra.secrets.key_ring import KeyRing
from app.users.schemas import Deletion, User
from app.web.bodies import FORM, read_form, read_json
from app.web.client import client_address, client_agent
from app.web.converters import ID_SCHEMA
from app.web.middleware import bearer_token
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import PAGING, page_asked
from app.web.resource import Resource, answer, locate

_GUESSING = (400, 415, 422, 429, 503)


def client_of(req: falcon.Request) -> Client:
    return Client(client_address(req), client_agent(req), req.context.request_id)


class _AuthResource(Resource):
    def __init__(self, service: AuthService) -> None:
        self._service = service


class Registrations(_AuthResource):
    """Registers accounts."""

    public = True
    counted = False

    @operation(
        Operation("Register", {201: User}, body=Registration, errors=(409, *_GUESSING), headers={201: ("Location",)})
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        client = client_of(req)
        self._service.may_register(client)
        fact = self._service.register(read_json(req, Registration), client)
        resp.data, resp.status = fact.private_json, 201
        locate(req, resp, f"/api/v1/users/{fact.user.id}")


class Logins(_AuthResource):
    """Opens sessions."""

    public = True
    counted = False

    @operation(Operation("Log in", {200: Tokens}, body=Credentials, errors=(401, 403, *_GUESSING)))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        client = client_of(req)
        self._service.may_log_in(client)
        answer(resp, self._service.login(read_json(req, Credentials), client))


class Refreshes(_AuthResource):
    """Issues new tokens for a session."""

    public = True

    @operation(Operation("Rotate the refresh token", {200: Tokens}, body=Refresh, errors=(401, *_GUESSING)))
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._service.refresh(read_json(req, Refresh).refresh_token, client_of(req)))


class Logouts(_AuthResource):
    """Ends sessions. Only the token's signature is checked, so that a retry works after the session has ended.

    Requests with a valid signature count for their session, not for the network: other clients of the same network
    cannot use up the limit.
    """

    public = True
    counted = False

    def __init__(self, service: AuthService, tokens: AccessTokens) -> None:
        super().__init__(service)
        self._tokens = tokens

    @operation(
        Operation(
            "Log out; 204 means that no worker accepts the token any more",
            {204: None},
            errors=(400, 401, 429, 503),
            parameters=(
                Parameter("scope", "query", {"enum": ["session", "all"]}, "`all` ends every session of the user"),
            ),
            needs_token=True,
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        claims = self._claims(req)
        scope = req.params.get("scope", "session")
        if scope == "all":
            self._service.logout_everywhere(claims, client_of(req))
        elif scope == "session":
            self._service.logout(claims, client_of(req))
        else:
            raise BadRequest("scope must be session or all")
        resp.status = 204

    def _claims(self, req: falcon.Request) -> Claims:
        try:
            return self._tokens.verify(bearer_token(req.env))
        except Unauthenticated:
            self._service.may_present(client_of(req))
            raise


class Revocations(_AuthResource):
    """Token revocation (RFC 7009): ends the session of a refresh or access token, without other authentication."""

    public = True
    counted = False

    @operation(
        Operation(
            "End the session of a token; 200 means that no worker accepts its tokens, or that the token is unknown",
            {200: None},
            body=Revocation,
            body_type=FORM,
            errors=(400, 415, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        client = client_of(req)
        self._service.may_revoke(client)
        self._service.revoke(read_form(req, Revocation).token, client)


class OwnSessions(_AuthResource):
    """The list of the user's live sessions."""

    @operation(
        Operation(
            "List the live sessions",
            {200: Sessions},
            errors=(400, 401, 429, 503),
            parameters=PAGING,
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        identity = req.context.identity
        answer(resp, self._service.sessions(identity.user_id, identity.session_id, *page_asked(req)))

    on_head = on_get


class OwnSession(_AuthResource):
    """One session of the user."""

    @operation(
        Operation(
            "End one session",
            {204: None},
            errors=(401, 404, 429, 503),
            parameters=(Parameter("session_id", "path", ID_SCHEMA, "from the list of sessions", required=True),),
        )
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response, session_id: int) -> None:
        self._service.end_session(req.context.identity.user_id, session_id, client_of(req))
        resp.status = 204


class Password(_AuthResource):
    """Changes the user's password."""

    @operation(
        Operation(
            "Change the password; ends every other session",
            {204: None},
            body=PasswordChange,
            errors=(400, 401, 403, 409, 415, 422, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        identity = req.context.identity
        change = read_json(req, PasswordChange)
        self._service.change_password(identity.user_id, identity.session_id, change, client_of(req))
        resp.status = 204


class SigningKeys(Resource):
    """The public keys of access tokens (RFC 7517)."""

    public = True

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    @operation(
        Operation("Public keys of access tokens", {200: dict[str, list[dict[str, str]]]}, errors=(429,), keep="public")
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._keys.jwks())
        resp.set_header("Cache-Control", "public, max-age=300")

    on_head = on_get


class AccountDeletion:
    """Deletes the account of the user who sends the request, and ends its sessions."""

    def __init__(self, service: AuthService) -> None:
        self._service = service

    def __call__(self, req: falcon.Request) -> None:
        """Raises the errors of `AuthService.delete_account` and of `read_json`."""
        identity = req.context.identity
        password = read_json(req, Deletion).password
        client, version = client_of(req), req.context.held_version
        self._service.delete_account(identity.user_id, identity.session_id, password, version, client)
