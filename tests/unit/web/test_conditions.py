"""Conditional requests."""

from typing import Any

import falcon
import falcon.testing
import pytest

from app.routes import ROUTES
from app.web.conditions import after_reading, before_writing, coded_tag, entity_tag
from app.web.errors import add_error_handlers
from app.web.middleware import Request
from app.web.openapi.operations import operations_of
from app.web.resource import Resource, has_tag

TAG = entity_tag(7, 3)
GZIP, BR = coded_tag(TAG, "gzip"), coded_tag(TAG, "br")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
WRITING = METHODS[2:]

NAMING = [TAG, f" {TAG} ", GZIP, BR, "*", " * ", f'"8-1", {TAG}', f'{TAG},W/"8-1"', f', "a,b",,{TAG}', f'"é" ,{BR}']
WEAKLY_NAMING = [f"W/{TAG}", f'"x", W/{TAG}', f"W/{GZIP}"]
NOT_NAMING = ["", ",", '"7-2"', "nonsense", f"x{TAG}", f"{TAG[:-1]}", f"{TAG} {TAG}", "7-3", f"w/{TAG}", f"*, {TAG}"]
NOT_NAMING += ['"7-30"', '"17-3"', '"7-03"', '"7-0"', '""', '"7-x"', '"7-1", "7-2"', f'"7-{"9" * 20}"', '"7-3-zip"']


class Versioned(Resource):
    """A resource with id 7 in version 3."""

    public = True

    def __init__(self) -> None:
        self.held: list[int | None] = []

    def tag(self, req: falcon.Request, **params: object) -> str:
        return TAG

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("ETag", TAG)
        resp.data = b"{}"

    on_head = on_get

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.held.append(req.context.held_version)

    on_put = on_patch = on_delete = on_post


class Untagged(Versioned):
    def tag(self, req: falcon.Request, **params: object) -> None:  # type: ignore[override]
        return None


class Coded(Versioned):
    """Its answers are in a coding already, as those of kept files are."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        super().on_get(req, resp)
        resp.set_header("ETag", GZIP)

    on_head = on_get


class Conditions:
    """Calls the conditions as the middleware does."""

    def process_resource(self, req: Any, resp: Any, resource: Any, params: dict[str, Any]) -> None:
        before_writing(req, resource, params)

    def process_response(self, req: Any, resp: Any, resource: Any, succeeded: bool) -> None:
        if succeeded:
            after_reading(req, resp)


VERSIONED = Versioned()


@pytest.fixture(scope="module")
def client() -> falcon.testing.TestClient:
    app = falcon.App(middleware=[Conditions()], request_type=Request)
    add_error_handlers(app)
    app.add_route("/versioned", VERSIONED)
    app.add_route("/untagged", Untagged())
    app.add_route("/coded", Coded())
    return falcon.testing.TestClient(app)


def status(client: falcon.testing.TestClient, method: str, path: str = "/versioned", **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.simulate_request(method, path, headers=given).status_code


@pytest.mark.parametrize("method", METHODS)
def test_if_match_compares_strongly(client: falcon.testing.TestClient, method: str) -> None:
    assert {status(client, method, if_match=given) for given in NAMING} == {200}
    assert {status(client, method, if_match=given) for given in (*WEAKLY_NAMING, *NOT_NAMING)} == {412}


@pytest.mark.parametrize("method", METHODS)
def test_if_none_match_compares_weakly(client: falcon.testing.TestClient, method: str) -> None:
    expected = 412 if method in WRITING else 304
    assert {status(client, method, if_none_match=given) for given in (*NAMING, *WEAKLY_NAMING)} == {expected}
    assert {status(client, method, if_none_match=given) for given in NOT_NAMING} == {200}


@pytest.mark.parametrize("method", ("GET", "HEAD"))
def test_tags_of_answers_that_are_coded_already_are_compared(client: falcon.testing.TestClient, method: str) -> None:
    assert {status(client, method, "/coded", if_match=given) for given in NAMING} == {200}
    assert {status(client, method, "/coded", if_match=given) for given in (*WEAKLY_NAMING, *NOT_NAMING)} == {412}
    assert {status(client, method, "/coded", if_none_match=given) for given in (*NAMING, *WEAKLY_NAMING)} == {304}


@pytest.mark.parametrize("method", METHODS)
def test_if_match_takes_precedence_over_if_none_match(client: falcon.testing.TestClient, method: str) -> None:
    assert status(client, method, if_match='"7-2"', if_none_match=TAG) == 412


@pytest.mark.parametrize("method", WRITING)
def test_write_gets_the_version_for_which_its_conditions_held(client: falcon.testing.TestClient, method: str) -> None:
    VERSIONED.held.clear()
    for headers in ({}, {"if_match": "*"}, {"if_match": f'"7-2", {TAG}'}, {"if_none_match": '"7-2"'}):
        assert status(client, method, **headers) == 200
    assert VERSIONED.held == [None, None, 3, 3]


def test_304_has_the_tag_that_the_client_sent(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/versioned", headers={"If-None-Match": f'"x", {BR}'})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", BR)


def test_conditions_are_ignored_without_a_tag_or_responder(
    client: falcon.testing.TestClient,
) -> None:
    assert {status(client, method, "/untagged", if_match='"x"') for method in WRITING} == {200}
    assert status(client, "OPTIONS", if_match='"x"') == 200


def test_every_route_with_an_etag_describes_its_conditions() -> None:
    tagged = 0
    for path, kind in ROUTES:
        operations = dict(operations_of(kind))
        carries = "get" in operations and "ETag" in operations["get"].headers.get(200, ())
        assert carries == has_tag(kind), path
        for op in operations.values() if carries else ():
            tagged += 1
            assert 412 in op.errors
            assert {"If-Match", "If-None-Match"} <= {each.name for each in op.parameters}
    assert tagged >= 3
