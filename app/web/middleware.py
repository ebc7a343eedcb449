"""Falcon middleware of every request: request id, session check, rate limit, conditions and measurement."""

import itertools
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Protocol

import falcon

from app.coherence.keeping import SAMPLED, WISH, Keeper, Keeping
from app.config import Activity
from app.errors import InvalidToken, Unauthenticated, rate_limit, rate_limit_policy
from app.infra.cooperative import in_greenlets
from app.infra.memcache.optional import begin_request
from app.infra.metrics.counters import Counters
from app.infra.tuning.live_tuning import LiveTuning
from app.web.bodies import CONTENT_ENCODING, refuse_coding
from app.web.client import client_address
from app.web.conditions import IF_MATCH, IF_NONE_MATCH, after_reading, before_writing
from app.web.converters import shown
from app.web.limits import WINDOW_SECONDS, RateLimiter
from app.web.openapi.operations import described
from app.web.resource import allowed_methods, headers_of

access_log = logging.getLogger("jobfinder.access")
_KNOWN_METHODS = frozenset(falcon.COMBINED_METHODS)
AUTHORIZATION = "HTTP_AUTHORIZATION"
ESCAPED_PATH = "jobfinder.escaped_path"  # set by the server if the path had escapes
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


class Identity(Protocol):
    """The user of a request, as the session check returns it."""

    @property
    def user_id(self) -> int: ...


Admit = Callable[[str], Identity]
MayWrite = Callable[[], object]
"""Raises an error while this process must not serve writing requests."""
MayDo = Callable[[int, Activity], object]
"""Raises an error if the account with this id must first prove its address."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Context:
    """`req.context`: the state of one request."""

    __slots__ = ("_identity", "conditional", "held_version", "keeping", "request_id", "started", "traceparent")

    def __init__(self) -> None:
        self.conditional = False
        self._identity: Any = None
        self.keeping: Keeping | None = None
        self.held_version: int | None = None
        self.request_id = ""
        self.traceparent = ""
        self.started = 0.0

    @property
    def identity(self) -> Any:
        """Who asks; an answer that is made with this is not the same for everybody."""
        if self.keeping is not None and self._identity is not None:
            self.keeping.personal = True
        return self._identity

    @identity.setter
    def identity(self, identity: Any) -> None:
        self._identity = identity


class Request(falcon.Request):
    """Falcon's request with `Context`."""

    __slots__ = ()
    context_type = Context


class Response(falcon.Response):
    """Falcon's response without a context; `data` is the attribute itself, as a property costs a call for each use."""

    __slots__ = ()
    context_type = NoneType
    data = vars(falcon.Response)["_data"]


class RequestMiddleware:
    """Falcon middleware: request id, rate limits, session check, conditional requests and common headers."""

    def __init__(
        self, admit: Admit, may_write: MayWrite, limiter: RateLimiter, tuning: LiveTuning, id_prefix: str, may_do: MayDo
    ) -> None:  # fmt: skip
        self._admit, self._may_write, self._limiter, self._tuning = admit, may_write, limiter, tuning
        self._may_do, self._prefix = may_do, id_prefix
        self._numbers = itertools.count(1)
        self._in_threads = not in_greenlets()

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set the request's id (the client's, if it is well-formed) before anything can fail.

        Raises HTTPRouteNotFound for a second spelling of a path, with escapes or with several slashes at the beginning,
        which Falcon would strip: else a client could get around a proxy's rule for that path.
        """
        context, env = req.context, req.env
        context.started = time.perf_counter()
        if self._in_threads:
            begin_request()
        given = env.get("HTTP_X_REQUEST_ID")
        known = given is not None and _REQUEST_ID.match(given)
        context.request_id = given if known else f"{self._prefix}-{next(self._numbers):x}"
        if ESCAPED_PATH in env or env["PATH_INFO"][:2] == "//":
            raise falcon.HTTPRouteNotFound
        if (trace := env.get("HTTP_TRACEPARENT")) is not None and _TRACEPARENT.match(trace):
            context.traceparent = trace

    def process_resource(
        self, req: falcon.Request, resp: falcon.Response, resource: Any, params: dict[str, Any]
    ) -> None:
        """Check session, limit and conditions before the body is read; a resource needs a session unless it is public.

        Raises HTTPMethodNotAllowed for an unknown method, to which Falcon itself would answer 400.
        """
        method, env = req.method, req.env
        if method not in _READS:
            self._may_change(method, resource)
        if method == "OPTIONS":
            self._limiter.take_open(client_address(req), self._tuning.current.limits)
        elif not resource.public and (method not in resource.open_to_all or AUTHORIZATION in env):
            keeping = _begin_keeping(req, resource, "own", "public") if WISH in env else None
            identity = req.context.identity = self._admit(bearer_token(env))
            if limit := self._tuning.current.limits.requests_per_user:
                left, resets_in = self._limiter.take("user", ("user", identity.user_id), limit) or (0, 0)
                headers = headers_of(resp)
                headers["ratelimit-policy"] = rate_limit_policy("user", limit, WINDOW_SECONDS)
                headers["ratelimit"] = rate_limit("user", left, resets_in)
            if method not in _READS and resource.activity is not None:
                self._may_do(identity.user_id, resource.activity)
            if keeping is not None:
                keeping.admitted(self._limiter.cells("user", ("user", identity.user_id), limit))
        elif resource.counted:
            keeping = _begin_keeping(req, resource, "public") if WISH in env and AUTHORIZATION not in env else None
            limits, address = self._tuning.current.limits, client_address(req)
            self._limiter.take_open(address, limits)
            if keeping is not None:
                keeping.admitted(self._limiter.open_cells(address, limits))
        if CONTENT_ENCODING in env:
            refuse_coding(req)
        if IF_MATCH in env or IF_NONE_MATCH in env:
            req.context.conditional = True
            before_writing(req, resource, params)

    def _may_change(self, method: str, resource: Any) -> None:
        if method not in _KNOWN_METHODS:
            raise falcon.HTTPMethodNotAllowed(allowed_methods(resource))
        if resource.requires_writing:
            self._may_write()

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        """Set the headers of every response, and evaluate the conditions of a read."""
        headers, context = headers_of(resp), req.context
        if context.conditional and succeeded:
            after_reading(req, resp)
        headers["x-request-id"] = context.request_id
        headers["x-content-type-options"] = "nosniff"
        if context.traceparent:
            headers["traceparent"] = context.traceparent
        headers.setdefault("cache-control", "no-store")


class MeasureMiddleware:
    """Falcon middleware that counts each request by route template, never by raw path, and logs a sample of them."""

    def __init__(
        self, counters: Counters, routes: Mapping[tuple[str, str], int], log_share: float, keeper: Keeper | None
    ) -> None:  # fmt: skip
        self._record, self._routes, self._share, self._keeper = counters.record, routes, log_share, keeper
        self._unmatched = routes["", ""]

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        seconds = time.perf_counter() - req.context.started
        status = 200 if resp.status == falcon.HTTP_200 else resp.status_code
        template = req.uri_template or ""
        route = self._routes.get((req.method, template), self._unmatched)
        self._record(route, status, seconds)
        if (keeping := req.context.keeping) is not None and self._keeper is not None:
            self._keeper.prove(keeping, route)
        if status >= 500 or (self._share and (SAMPLED in req.env or random.random() < self._share)):  # noqa: S311 a sample, not a secret
            self._log(req, status, template, seconds)

    def _log(self, req: falcon.Request, status: int, template: str, seconds: float) -> None:
        context = req.context
        fields = {
            "method": req.method,
            "route": shown(template),
            "status": status,
            "ms": round(seconds * 1000, 3),
            "request_id": context.request_id,
            "traceparent": context.traceparent,
            "user_id": getattr(context.identity, "user_id", None),
        }
        access_log.info("request", extra=fields)


def _begin_keeping(req: falcon.Request, resource: Any, *kept: str) -> Keeping | None:
    """Begin to collect what an answer rests on, if its operation declares one of `kept`: "own" or "public"."""
    operation = described(resource.on_get) if req.method == "GET" else None
    if operation is None or operation.keep not in kept:
        return None
    keeping: Keeping = Keeping(req.env[WISH], for_all=operation.keep == "public")
    req.context.keeping = keeping
    return keeping


def bearer_token(env: Mapping[str, Any]) -> str:
    """The token of the Authorization header (RFC 6750, 2.1); raises Unauthenticated without one."""
    header: str | None = env.get(AUTHORIZATION)
    if not header:
        raise Unauthenticated
    scheme, _, token = header.partition(" ")
    if scheme != "Bearer" and scheme.lower() != "bearer":
        raise Unauthenticated("the scheme must be Bearer")
    if not token:
        raise InvalidToken("the token is empty")
    return token
