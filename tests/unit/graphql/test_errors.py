"""Errors of an answer: the client's have a code of their own, failures of the service tell nothing."""

import json
from typing import Any
from unittest.mock import MagicMock

import pytest

from app.errors import NotFound
from app.graphql.loading import Services, Viewer
from app.graphql.service import GraphQLService, Wanted
from tests.unit.graphql.test_bounds import _service

NOBODY: Any = MagicMock(spec=Viewer, user_id=None)


def _answer(service: GraphQLService, text: str, **variables: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(service.run(service.prepare(Wanted(text, variables)), NOBODY, "request").body)
    return answer


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("query($n: Int) { search(first: $n) { nodes { id } } }", {"n": "x"}),
        ("query($id: ID!) { job(id: $id) { id } }", {}),
        ('query($id: ID = "1") { job(id: $id) { id } }', {"id": None}),
    ],
)
def test_a_wrong_value_is_the_clients(text: str, variables: dict[str, Any]) -> None:
    (error,) = _answer(_service(), text, **variables)["errors"]
    assert error["extensions"] == {"code": "bad_value", "status": 422}


def test_a_failure_tells_nothing() -> None:
    services = [MagicMock() for _ in range(5)]
    services[2].jobs.job.side_effect = RuntimeError("the password is 1234")
    answer = _answer(GraphQLService(Services(*services), MagicMock(), introspection=False), "{ job(id: 1) { id } }")
    assert answer["data"] == {"job": None}
    assert answer["errors"][0]["extensions"] == {"code": "internal", "status": 500}
    assert "1234" not in json.dumps(answer)


def test_an_error_of_a_service_keeps_its_code() -> None:
    services = [MagicMock() for _ in range(5)]
    services[2].jobs.job.side_effect = NotFound("there is no such posting")
    answer = _answer(GraphQLService(Services(*services), MagicMock(), introspection=False), "{ a: job(id: 1) { id } }")
    (error,) = answer["errors"]
    assert (error["path"], error["message"]) == (["a"], "Not found")
    assert error["extensions"] == {"code": "not_found", "status": 404, "detail": "there is no such posting"}
