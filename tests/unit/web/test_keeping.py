"""Whose the answers are that the application lets the server keep."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import falcon
import falcon.testing
import pytest

from app.coherence.keeping import WISH, Keeper
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.web.limits import RateLimiter
from app.web.middleware import MeasureMiddleware, Request, RequestMiddleware
from app.web.openapi.operations import Operation, operation
from app.web.resource import READING, Resource


@dataclass
class User:
    user_id: int = 7


class Page(Resource):
    """The same for everybody."""

    @operation(Operation("Read", {200: dict}, keep="public"))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = b"{}"

    on_head = on_get


class OpenPage(Page):
    open_to_all = READING


class View(Resource):
    """Says more to a member."""

    open_to_all = READING

    @operation(Operation("Read", {200: dict}, keep="public"))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"draft": req.context.identity is not None}


class Own(Resource):
    @operation(Operation("Read", {200: dict}, keep="own"))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = b"{}"


class OpenOwn(Own):
    open_to_all = READING


class Undeclared(Resource):
    @operation(Operation("Read", {200: dict}))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = b"{}"


class Prover:
    def __init__(self) -> None:
        self.proven: list[bool] = []

    def prove(self, *given: object, for_all: bool) -> None:
        self.proven.append(for_all)


def proven(resource: Resource, method: str = "GET", token: str = "", *, wish: bool = True) -> list[bool]:
    """For each answer that may be kept, whether it is for everybody."""
    none, prover = cast("Any", None), Prover()
    limits = SimpleNamespace(requests_per_user=0, open_requests_per_address=0, ipv6_prefix=64)
    tuning = cast("Any", SimpleNamespace(current=SimpleNamespace(limits=limits)))
    coherence = cast("Any", SimpleNamespace(proven=lambda *parts: 1))
    counters = Counters.create([("", "")], 1)
    counters.claim(0)
    keeper = Keeper(prover, coherence, counters)
    limiter = RateLimiter(Memcache((), 250))
    middleware: list[Any] = [
        MeasureMiddleware(counters, {("", ""): 0}, 0, keeper),
        RequestMiddleware(lambda token: User(), none, limiter, tuning, "", none),
    ]
    app = falcon.App(middleware=middleware, request_type=Request)
    app.add_route("/", resource)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    extras = {WISH: object()} if wish else {}
    falcon.testing.TestClient(app).simulate_request(method, "/", headers=headers, extras=extras)
    return prover.proven


@pytest.mark.parametrize(
    ("resource", "token", "expected"),
    [
        (Page(), "a", [True]),
        (OpenPage(), "a", [True]),
        (OpenPage(), "", [True]),
        (View(), "a", [False]),
        (View(), "", [True]),
        (Own(), "a", [False]),
        (OpenOwn(), "a", [False]),
        (OpenOwn(), "", []),
        (Undeclared(), "a", []),
    ],
)
def test_page_made_with_an_identity_is_kept_for_its_token_alone(
    resource: Resource, token: str, expected: list[bool]
) -> None:
    assert proven(resource, token=token) == expected


def test_nothing_is_kept_of_other_requests() -> None:
    assert proven(Page(), "HEAD", "a") == []
    assert proven(Page(), token="a", wish=False) == []
