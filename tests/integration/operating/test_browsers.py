"""CORS, and a service under PATH_PREFIX on a shared host."""

import json
from collections.abc import Iterator

import pytest
import requests

from app.routes import ROUTES
from app.web.body_limits import SMALL_BODY, body_limits
from app.web.cors import EXPOSED, TAKEN
from tests.api_client import PASSWORD, Api
from tests.integration.operating.release import KINDS, Release

APP, LOCAL, STRANGER = "https://app.example", "http://localhost:3000", "https://app.example.evil"


@pytest.fixture(scope="module", params=KINDS)
def api(request: pytest.FixtureRequest, release: Release) -> Iterator[Api]:
    with release.pod(request.param, CORS_ORIGINS=f"{APP},{LOCAL}", PATH_PREFIX="/shared/jobs") as pod:
        yield release.api(pod)


def preflight(api: Api, path: str, method: str, origin: str = APP) -> requests.Response:
    return api.send("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": method})


@pytest.mark.parametrize(
    ("path", "method", "methods"),
    [
        ("auth/login", "POST", {"POST"}),
        ("users/me", "PATCH", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("users/me", "PUT", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("auth/logout", "POST", {"POST"}),
        ("auth/sessions/1", "DELETE", {"DELETE"}),
        ("health/live", "GET", {"GET", "HEAD"}),
    ],
)
def test_preflight_names_the_methods_of_the_route(api: Api, path: str, method: str, methods: set[str]) -> None:
    answer = preflight(api, path, method)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == methods
    assert answer.headers["Access-Control-Allow-Headers"] == TAKEN
    assert "Origin" in answer.headers["Vary"].split(", ")


@pytest.mark.parametrize("origin", [APP, LOCAL])
def test_allowed_origin_reads_responses_and_errors(api: Api, origin: str) -> None:
    body = {"email": Api.new_email(), "password": PASSWORD, "name": "Ada"}
    for path, given, status in (("auth/register", body, 201), ("auth/login", {}, 422), ("auth/logout", {}, 401)):
        answer = api.send("POST", path, json=given, headers={"Origin": origin})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Expose-Headers"] == EXPOSED
        assert "Origin" in answer.headers["Vary"].split(", ")
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "openapi.json", 200), ("GET", "api/v1/users/me", 401), ("GET", "nowhere", 404), ("PUT", "docs", 405)],
)
@pytest.mark.parametrize("before", ["/", "/shared/jobs/", "//", "/shared%2Fjobs/"])
def test_allowed_origin_reads_every_status(api: Api, before: str, method: str, path: str, status: int) -> None:
    answer = requests.request(method, f"{api.url}{before}{path}", headers={"Origin": APP}, timeout=30)
    assert answer.status_code == (status if before in ("/", "/shared/jobs/") else 404)
    assert answer.headers["Access-Control-Allow-Origin"] == APP


@pytest.mark.parametrize(("origin", "shown"), [(APP, APP), (LOCAL, LOCAL), (STRANGER, None), ("*", None)])
def test_allowed_origin_reads_errors_of_the_server(api: Api, origin: str, shown: str | None) -> None:
    """The server refuses large bodies, large headers and unknown methods before the application."""
    headers = {"Origin": origin, "Content-Type": "application/json"}
    large = api.send("POST", "auth/login", data=b" " * 100_000, headers=headers)
    unknown = api.send("FROB", "auth/login", headers=headers)
    many = api.send("GET", "health/live", headers={**headers, **{f"X-{number}": "x" for number in range(200)}})
    assert [each.status_code for each in (large, unknown, many)] == [413, 501, 431]
    assert large.headers.get("Access-Control-Allow-Origin") == shown
    assert many.headers.get("Access-Control-Allow-Origin") in (shown, None)
    assert {"Origin", None} >= {each.headers.get("Vary") for each in (large, unknown, many)}


@pytest.mark.parametrize("origin", [STRANGER, "null", "https://app.example:8443", "http://app.example", "*", ""])
def test_other_origin_gets_no_cors_headers(api: Api, origin: str) -> None:
    for answer in (
        preflight(api, "auth/login", "POST", origin),
        api.send("GET", "health/live", headers={"Origin": origin}),
        api.send("GET", "health/live"),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "Origin" in answer.headers["Vary"].split(", ")


@pytest.mark.parametrize("before", ["", "/shared/jobs"])
def test_links_have_the_prefix_with_and_without_ingress_rewrite(api: Api, before: str) -> None:
    body = {"email": Api.new_email(), "password": PASSWORD, "name": "Ada"}
    answer = requests.post(f"{api.url}{before}/api/v1/auth/register", json=body, timeout=30)
    assert answer.headers["Location"] == f"/shared/jobs/api/v1/users/{answer.json()['id']}"
    token = api.login(body["email"]).json()["access_token"]
    named = {"name": "Ada & Co", "slug": f"ada-{answer.json()['id']}"}
    company = api.send("POST", "companies", json=named, headers={"Authorization": f"Bearer {token}"})
    assert company.headers["Location"] == f"/shared/jobs/api/v1/companies/{company.json()['id']}"
    assert api.root(f"{before}/openapi.json").json()["servers"] == [{"url": "/shared/jobs"}]
    start = api.root(f"{before}/").json()
    assert {path.partition("/shared/jobs")[0] for path in start.values()} == {""}
    assert [api.root(path).status_code for path in start.values()] == [200] * len(start)


@pytest.mark.parametrize("before", ["", "/shared/jobs"])
def test_body_limit_of_a_route_holds_with_and_without_prefix(api: Api, before: str) -> None:
    largest = body_limits(ROUTES)("POST", "/api/v1/auth/register")
    assert largest > SMALL_BODY
    for path, size, status in (
        ("auth/register", largest, 201),
        ("auth/register", largest + 1, 413),
        ("auth/logout", SMALL_BODY + 1, 413),
    ):
        body = json.dumps({"email": Api.new_email(), "password": PASSWORD, "name": "Ada"}).ljust(size)
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{api.url}{before}/api/v1/{path}", body, headers=headers, timeout=30)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/shared/jobs", 200),
        ("/shared/jobsx/openapi.json", 404),
        ("/shared/jobs/shared/jobs/", 404),
        ("/shared", 404),
        ("/shared/jobs//openapi.json", 404),
    ],
)
def test_prefix_is_removed_once_and_as_whole_segments(api: Api, path: str, status: int) -> None:
    assert api.root(path).status_code == status
