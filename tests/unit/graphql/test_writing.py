"""While the process may not write, GraphQL's queries are answered and its mutations are refused."""

from typing import Any
from unittest.mock import MagicMock

import falcon
import pytest
from falcon import testing

from app.errors import WrongLog
from app.graphql.resources import Edge, GraphQL
from app.infra.metrics.counters import Counters
from app.web.errors import add_error_handlers
from app.web.middleware import Request, RequestMiddleware, Response
from app.web.resource import Resource
from tests.unit.graphql.test_bounds import _service


class _Other(Resource):
    public = True

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        raise AssertionError


@pytest.fixture
def client() -> testing.TestClient:
    may_write = MagicMock(side_effect=WrongLog)
    tuning: Any = MagicMock()
    request = RequestMiddleware(MagicMock(), may_write, MagicMock(), tuning, "x", MagicMock())
    app = falcon.App(middleware=[request], request_type=Request, response_type=Response)
    add_error_handlers(app)
    edge = Edge(MagicMock(), tuning, Counters.create([], 1), may_write)
    app.add_route("/graphql", GraphQL(_service(), edge))
    app.add_route("/other", _Other())
    return testing.TestClient(app)


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
