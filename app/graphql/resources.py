"""The HTTP resource of GraphQL, after the specification of GraphQL over HTTP."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import falcon
import msgspec
from msgspec import Meta, Struct

from app.auth.proof import address_proof
from app.auth.resources import client_of
from app.config import Settings
from app.errors import BadRequest, ProductError, rate_limit
from app.graphql import explorer
from app.graphql.bounds import CHARACTERS_MAX
from app.graphql.loading import Budget, Services, Viewer
from app.graphql.service import GraphQLService, Ready, Wanted
from app.infra.metrics.counters import REFUSED, Counters
from app.infra.tuning.live_tuning import LiveTuning
from app.web.bodies import decoded, read_json
from app.web.client import client_address
from app.web.limits import RateLimiter
from app.web.middleware import MayWrite
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.resource import Resource, headers_of

GRAPHQL_JSON = "application/graphql-response+json"
BODY_MAX = 512 * 1024
"""Bytes of a body: variables may have a posting with its description."""

_TEXT = {"type": "string"}


Name = Annotated[str, Meta(max_length=200)]


class GraphQLRequest(Struct, forbid_unknown_fields=True):
    """A document of GraphQL, or the hash of one that was sent before, with its variables."""

    query: Annotated[str, Meta(max_length=CHARACTERS_MAX, examples=["{ me { name } }"])] | None = None
    variables: dict[str, Any] | None = None
    operation_name: Name | None = msgspec.field(name="operationName", default=None)
    extensions: dict[str, Any] | None = None


class GraphQLAnswer(Struct):
    """The answer; `extensions` has the operation's cost."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = []
    extensions: dict[str, Any] = {}


class ByPostOnly(BadRequest):
    """A GET reads only, so that no link can change anything."""

    code, title = "by_post_only", "Mutations need POST"


@dataclass(frozen=True, slots=True)
class Edge:
    """What requests are limited by and counted with, and what refuses changes while the process may not write."""

    limiter: RateLimiter
    tuning: LiveTuning
    counters: Counters
    may_write: MayWrite


class GraphQL(Resource):
    """Queries and mutations; without a token for what everybody may read."""

    open_to_all = frozenset(("GET", "HEAD", "POST"))
    requires_writing = False

    def __init__(self, service: GraphQLService, edge: Edge, *, explorable: bool) -> None:
        """With `explorable`, browsers that open the URL get GraphiQL."""
        self._service, self._limiter, self._tuning = service, edge.limiter, edge.tuning
        self._counters, self._may_write = edge.counters, edge.may_write
        self._explorable = explorable

    @operation(
        Operation(
            "Read with a query of GraphQL",
            {200: GraphQLAnswer},
            errors=(400, 401, 429, 503),
            parameters=(
                Parameter("query", "query", _TEXT, "the document"),
                Parameter("variables", "query", _TEXT, "a JSON object"),
                Parameter("operationName", "query", _TEXT, "one of several operations"),
                Parameter("extensions", "query", _TEXT, "a JSON object, with the hash of a document"),
            ),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if self._explorable and _opened_by_browser(req):
            _explore(resp)
            return
        given = _wanted(_asked(req))
        try:
            ready = self._service.prepare(given)
            if ready.operation.writes:
                raise ByPostOnly
        except BadRequest as error:
            self._refuse(req, resp, error)
        else:
            self._run(req, resp, ready)

    on_head = on_get

    @operation(
        Operation(
            "Read or write with an operation of GraphQL",
            {200: GraphQLAnswer},
            body=GraphQLRequest,
            body_bytes=BODY_MAX,
            errors=(400, 401, 415, 422, 429, 503),
        )
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = _wanted(read_json(req, GraphQLRequest))
        try:
            ready = self._service.prepare(given)
        except BadRequest as error:
            self._refuse(req, resp, error)
        else:
            if ready.operation.writes:
                self._may_write()
            self._run(req, resp, ready)

    def _run(self, req: falcon.Request, resp: falcon.Response, ready: Ready) -> None:
        identity = req.context.identity
        self._charge(req, resp, None if identity is None else identity.user_id, ready.cost.requests - 1)
        language = req.env.get("HTTP_ACCEPT_LANGUAGE", "")[:500]
        user_id, user = (None, None) if identity is None else (identity.user_id, identity.user)
        viewer = Viewer(user_id, user, language, partial(client_of, req), Budget())
        resp.data, status = self._service.run(ready, viewer, req.context.request_id)
        self._counters.operated(ready.operation.name, status, time.perf_counter() - req.context.started)
        resp.content_type = _media_type(req)
        headers_of(resp)["vary"] = "Accept"

    def _refuse(self, req: falcon.Request, resp: falcon.Response, error: ProductError) -> None:
        """200 in JSON, as the specification wants it for clients of old, else the error's own status."""
        resp.data = self._service.refuse(error)
        self._counters.operated(REFUSED, error.status, time.perf_counter() - req.context.started)
        resp.content_type = _media_type(req)
        if resp.content_type == GRAPHQL_JSON:
            resp.status = error.status
        headers_of(resp)["vary"] = "Accept"

    def _charge(self, req: falcon.Request, resp: falcon.Response, user_id: int | None, further: int) -> None:
        """Count what the operation costs beyond the one request that is counted already; raises RateLimited."""
        limits = self._tuning.current.limits
        if further < 1:
            return
        if user_id is None:
            self._limiter.take_open(client_address(req), limits, further)
        elif (left := self._limiter.take("user", ("user", user_id), limits.requests_per_user, further)) is not None:
            headers_of(resp)["ratelimit"] = rate_limit("user", *left)


def endpoint(services: Services, settings: Settings, edge: Edge) -> GraphQL:
    """The resource; the schema may be asked for in development, elsewhere by a setting."""
    introspection = settings.development or settings.graphql_introspection
    may_do = address_proof(settings, services.users).require
    return GraphQL(
        GraphQLService(services, may_do, introspection=introspection), edge, explorable=bool(explorer_files(settings))
    )


def explorer_files(settings: Settings) -> dict[str, bytes]:
    """What the page for browsers loads, packed by gzip; only in development."""
    return explorer.files() if settings.development else {}


def _opened_by_browser(req: falcon.Request) -> bool:
    return not req.query_string and "text/html" in req.env.get("HTTP_ACCEPT", "")


def _explore(resp: falcon.Response) -> None:
    resp.data, resp.content_type = explorer.PAGE, falcon.MEDIA_HTML
    headers = headers_of(resp)
    headers["content-security-policy"] = explorer.POLICY
    headers["vary"] = "Accept"


def _media_type(req: falcon.Request) -> str:
    return GRAPHQL_JSON if GRAPHQL_JSON in req.env.get("HTTP_ACCEPT", "") else "application/json"


def _asked(req: falcon.Request) -> GraphQLRequest:
    """The request of a GET; raises BadRequest."""
    texts: dict[str, str | None] = {}
    for name in ("query", "variables", "operationName", "extensions"):
        value = req.params.get(name)
        if isinstance(value, list):
            raise BadRequest(f"{name} can be given only once")
        texts[name] = value
    return GraphQLRequest(
        texts["query"], _object(texts["variables"]), texts["operationName"], _object(texts["extensions"])
    )


def _object(text: str | None) -> dict[str, Any] | None:
    return decoded(text.encode()) if text else None


def _wanted(given: GraphQLRequest) -> Wanted:
    """Raises BadRequest for a hash that is none."""
    persisted = (given.extensions or {}).get("persistedQuery")
    digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if digest is not None and not isinstance(digest, str):
        raise BadRequest("sha256Hash must be a text")
    return Wanted(given.query, given.variables, given.operation_name, digest)
