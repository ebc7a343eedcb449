"""The resource of GraphQL: who gets the page for browsers, and what is refused while the process may not write."""

import re
from typing import Any
from unittest.mock import MagicMock

import falcon
import pytest
from falcon import testing

from app.errors import WrongLog
from app.graphql.explorer import PAGE, POLICY
from app.graphql.resources import Edge, GraphQL, explorer_files
from app.infra.metrics.counters import Counters
from app.web.errors import add_error_handlers
from app.web.middleware import Request, RequestMiddleware, Response
from app.web.resource import Resource
from tests.unit.graphql.test_bounds import _service

BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class _Other(Resource):
    public = True

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        raise AssertionError


def _client(*, explorable: bool = False) -> testing.TestClient:
    may_write = MagicMock(side_effect=WrongLog)
    tuning: Any = MagicMock()
    request = RequestMiddleware(MagicMock(), may_write, MagicMock(), tuning, "x", MagicMock())
    app = falcon.App(middleware=[request], request_type=Request, response_type=Response)
    add_error_handlers(app)
    edge = Edge(MagicMock(), tuning, Counters.create([], 1), may_write)
    app.add_route("/graphql", GraphQL(_service(), edge, explorable=explorable))
    app.add_route("/other", _Other())
    return testing.TestClient(app)


@pytest.fixture
def client() -> testing.TestClient:
    return _client()


def test_queries_are_answered(client: testing.TestClient) -> None:
    answer = client.simulate_post("/graphql", json={"query": "{ __typename }"})
    assert (answer.status_code, answer.json["data"]) == (200, {"__typename": "Query"})


@pytest.mark.parametrize(
    ("path", "body"),
    [("/graphql", {"query": 'mutation { deleteJob(id: "1") }'}), ("/other", {})],
)
def test_changes_are_refused(client: testing.TestClient, path: str, body: dict[str, Any]) -> None:
    answer = client.simulate_post(path, json=body)
    assert (answer.status_code, answer.json["code"]) == (503, "wrong_log")


@pytest.mark.parametrize(
    ("accept", "query", "explorable", "html"),
    [
        (BROWSERS, "", True, True),
        (BROWSERS, "", False, False),
        (BROWSERS, "query={__typename}", True, False),
        ("*/*", "", True, False),
        ("application/graphql-response+json", "", True, False),
    ],
)
def test_only_browsers_get_the_page_and_only_in_development(
    accept: str, query: str, explorable: bool, html: bool
) -> None:
    answer = _client(explorable=explorable).simulate_get("/graphql", query_string=query, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("text/html") == html
    assert ("Content-Security-Policy" in answer.headers) == html
    assert answer.headers["Vary"] == "Accept"


def test_the_page_and_its_files_exist_only_in_development() -> None:
    settings = MagicMock(development=False)
    assert explorer_files(settings) == {}
    settings.development = True
    files = explorer_files(settings)
    assert set(re.findall(rb'(?:src|href)="docs/([^"]+)"', PAGE)) == {name.encode() for name in files}
    assert "unsafe" not in POLICY
