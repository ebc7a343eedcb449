"""What all endpoints have in common: tokens, bodies, methods and problem documents."""

import gzip
import json
from typing import Any

import pytest
import requests

from tests.api_client import PASSWORD, Api, Person

PROTECTED = [
    ("POST", "auth/logout"),
    ("GET", "auth/sessions"),
    ("DELETE", "auth/sessions/1"),
    ("POST", "auth/password"),
    ("GET", "users/me"),
    ("PATCH", "users/me"),
    ("DELETE", "users/me"),
    ("GET", "users/me/companies"),
    ("GET", "users/1"),
    ("POST", "companies"),
    ("PATCH", "companies/1"),
    ("DELETE", "companies/1"),
    ("GET", "companies/1/members"),
    ("POST", "companies/1/members"),
    ("GET", "companies/1/members/1"),
    ("GET", "admin/users"),
    ("POST", "admin/users/1/disable"),
    ("GET", "admin/audit"),
    ("GET", "users/batch?ids=1"),
]
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "auth/register", {"email": "ada@example.com", "password": PASSWORD, "name": "Ada"}),
    ("POST", "auth/login", {"email": "ada@example.com", "password": PASSWORD}),
    ("POST", "auth/refresh", {"refresh_token": "x"}),
    ("POST", "auth/password", {"current": "wrong", "new": "another long walk"}),
    ("PATCH", "users/me", {"name": "Ada"}),
    ("DELETE", "users/me", {"password": "wrong"}),
    ("POST", "companies", {"name": "Acme"}),
]
READS = [
    "/api/v1/auth/sessions",
    "/api/v1/users/me",
    "/api/v1/users/batch?ids=1",
    "/api/v1/users/me/companies",
    "/api/v1/health/live",
    "/api/v1/health/ready",
    "/openapi.json",
    "/docs",
    "/.well-known/jwks.json",
]
NO_JSON = [
    b"",
    b"{",
    b"nonsense",
    b'{"email": }',
    b"{'email': 'a'}",
    b"{} {}",
    b"\xff\xfe{\x00}\x00",
    b'{"name": "\xff"}',
    b'{"name": "\\ud800"}',
    b'{"name": NaN}',
    b'{"name": 1e999}',
    b'{"name": 1e' + b"1" * 2500 + b"}",
    b"[" * 3000,
    b'{"a":' * 600,
    b"\xef\xbb\xbf{}",
]
OTHER_TYPES = [
    "",
    ";",
    "text/plain",
    "text/json",
    "application/jsonx",
    "application/json, text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/problem+json",
    "application",
]

with_body = pytest.mark.parametrize(("method", "path", "body"), BODIES)


@pytest.fixture(scope="module")
def somebody(api: Api) -> Person:
    """One account for all tests; none of them changes it in a way that affects the others."""
    return api.person()


def assert_problem(answer: requests.Response, status: int, code: str) -> None:
    """Check for an RFC 9457 document with no-store and the request id."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json()
    assert document["status"] == status
    assert document["type"] == f"urn:jobfinder:problem:{code}"
    assert document["request_id"] == answer.headers["X-Request-ID"]
    assert document["title"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic eDp5", "Bearer x", "Bearer a.b.c"])
@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_protected_endpoint_refuses_a_missing_or_invalid_token(
    api: Api, method: str, path: str, header: str | None
) -> None:
    answer = api.send(method, path, headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert_problem(answer, 401, answer.json()["code"])
    assert answer.json()["code"] in {"unauthenticated", "invalid_token"}
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="jobfinder"')


@with_body
def test_unknown_field_is_refused(somebody: Person, method: str, path: str, body: dict[str, Any]) -> None:
    answer = somebody.send(method, path, json=body | {"admin": True, "\0": 1})
    assert_problem(answer, 422, "invalid")
    assert [(each["field"], each["code"]) for each in answer.json()["fields"]] == [
        ("admin", "unknown"),
        ("\0", "unknown"),
    ]


@with_body
@pytest.mark.parametrize("value", [None, True, 1, 10**18, 1.5, [], ["a"], {}, {"$ne": ""}], ids=json.dumps)
def test_a_value_of_another_type_is_refused(
    somebody: Person, method: str, path: str, body: dict[str, Any], value: object
) -> None:
    answer = somebody.send(method, path, json=dict.fromkeys(body, value))
    assert_problem(answer, 422, "invalid")
    assert {each["field"] for each in answer.json()["fields"]} == set(body)


@with_body
@pytest.mark.parametrize("content", NO_JSON, ids=lambda content: str(content[:20]))
def test_malformed_json_is_refused(
    somebody: Person, method: str, path: str, body: dict[str, Any], content: bytes
) -> None:
    answer = somebody.send(method, path, data=content, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "malformed_json")


@with_body
@pytest.mark.parametrize("content", ["null", "[]", '"a"', "1", "true"])
def test_json_that_is_not_an_object_is_refused(
    somebody: Person, method: str, path: str, body: dict[str, Any], content: str
) -> None:
    answer = somebody.send(method, path, data=content, headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "malformed_json")


@with_body
@pytest.mark.parametrize("media_type", OTHER_TYPES)
def test_a_body_of_another_media_type_is_refused(
    somebody: Person, method: str, path: str, body: dict[str, Any], media_type: str
) -> None:
    answer = somebody.send(method, path, data=json.dumps(body), headers={"Content-Type": media_type})
    assert_problem(answer, 415, "unsupported_media_type")


@with_body
@pytest.mark.parametrize("packed", [False, True])
def test_content_coding_is_refused_for_any_body(
    somebody: Person, method: str, path: str, body: dict[str, Any], packed: bool
) -> None:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = somebody.send(method, path, data=gzip.compress(content) if packed else content, headers=headers)
    assert_problem(answer, 415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == "identity"
    assert "Accept" not in answer.headers


@pytest.mark.parametrize(("method", "path"), [("POST", "auth/revoke"), ("POST", "auth/logout")])
def test_content_coding_is_refused_on_endpoints_without_json(api: Api, method: str, path: str) -> None:
    answer = api.send(method, path, data={"token": "x"}, headers={"Content-Encoding": "br"})
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["APPLICATION/JSON", "application/json ; charset=utf-8", "application/json;"])
def test_media_type_is_case_insensitive_and_may_have_parameters(somebody: Person, media_type: str) -> None:
    answer = somebody.send("PATCH", "users/me", data=b'{"name": "Grace"}', headers={"Content-Type": media_type})
    assert answer.status_code == 200


@with_body
def test_a_body_above_the_limit_is_refused(somebody: Person, method: str, path: str, body: dict[str, Any]) -> None:
    answer = somebody.send(method, path, data=b" " * 1_048_577, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND", "QUERY"])
@pytest.mark.parametrize("path", ["auth/login", "auth/logout", "users/me", "users/1", "users/batch", "health"])
def test_unsupported_method_gets_405_with_allow(somebody: Person, method: str, path: str) -> None:
    answer = somebody.send(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert "OPTIONS" in answer.headers["Allow"].split(", ")


def test_unknown_method_gets_501(somebody: Person) -> None:
    answer = somebody.send("FROBNICATE", "users/me")
    assert answer.status_code == 501
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", READS)
def test_head_answers_as_get_does_without_the_body(api: Api, somebody: Person, path: str) -> None:
    headers = {"Authorization": f"Bearer {somebody.token}", "Accept-Encoding": "identity"}
    get, head = (requests.request(method, api.url + path, headers=headers, timeout=30) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["Content-Length"] == str(len(get.content))


def test_a_header_above_the_limit_is_a_problem(api: Api) -> None:
    answer = api.get("users/me", "x" * 10_000)
    assert (answer.status_code, answer.headers["Content-Type"]) == (431, "application/problem+json")


def test_a_url_above_the_limit_is_a_problem(somebody: Person) -> None:
    answer = somebody.get("users/batch?ids=" + "1," * 10_000)
    assert (answer.status_code, answer.headers["Content-Type"]) == (414, "application/problem+json")


@pytest.mark.parametrize(
    "path", ["", "/", "//", "users", "users/", "users/me/", "users/1/2", "%00", "users/%ff", "..%2f..%2fetc", "☃"]
)
def test_unknown_path_is_a_problem(somebody: Person, path: str) -> None:
    assert_problem(somebody.get(path), 404, "not_found")
