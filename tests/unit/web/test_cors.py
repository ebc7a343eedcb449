"""CORS: which origins may call the API."""

from typing import Any

import falcon
import pytest
from falcon.testing import TestClient

from app.config import load_settings
from app.errors import ConfigError
from app.routes import ROUTES
from app.web.cors import EXPOSED, TAKEN, CorsMiddleware
from app.web.openapi.operations import operations_of


class Anything:
    public = True

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = "yes"


def client(*origins: str) -> TestClient:
    app: falcon.App[Any, Any] = falcon.App(middleware=[CorsMiddleware(origins)])
    app.add_route("/", Anything())
    return TestClient(app)


def test_star_allows_any_origin() -> None:
    answer = client("*").simulate_get("/", headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "vary" not in answer.headers


def test_options_without_a_requested_method_is_not_a_preflight() -> None:
    answer = client("*").simulate_options("/", headers={"Origin": "https://app.example"})
    assert "access-control-allow-methods" not in answer.headers


def test_preflight_of_an_unknown_path_allows_nothing() -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    answer = client("*").simulate_options("/nowhere", headers=headers)
    assert answer.status_code == 404
    assert "access-control-allow-methods" not in answer.headers


def test_all_described_headers_are_allowed_and_exposed() -> None:
    sent, read = {"Authorization", "Content-Type"}, {"X-Request-ID"}
    for _, described in (each for _, kind in ROUTES for each in operations_of(kind)):
        sent |= {each.name for each in described.parameters if each.place == "header"}
        read |= {name for names in described.headers.values() for name in names}
    assert {"If-Match", "If-None-Match"} < sent
    assert {"ETag", "Location"} < read
    assert sent <= set(TAKEN.split(", "))
    assert {*read, "RateLimit", "RateLimit-Policy", "Retry-After"} <= set(EXPOSED.split(", "))


@pytest.mark.parametrize(
    "origins", ["https://app.example", "*", "http://localhost:3000, https://a.b", "https://[::1]:8"]
)
def test_origin_in_browser_form_is_accepted(origins: str) -> None:
    assert "CORS_ORIGINS" not in problems({"CORS_ORIGINS": origins})


@pytest.mark.parametrize(
    "origins",
    [
        "app.example",
        "https://",
        "null",
        "https://app.example/",
        "https://App.example",
        "https://*.example",
        f"https://{'a' * 254}",
    ],
)
def test_invalid_origin_is_refused(origins: str) -> None:
    assert f"CORS_ORIGINS: '{origins}'" in problems({"CORS_ORIGINS": origins})


@pytest.mark.parametrize("prefix", ["/jobs", "/a/b-c.d", ""])
def test_valid_path_prefix_is_accepted(prefix: str) -> None:
    assert "PATH_PREFIX" not in problems({"PATH_PREFIX": prefix})


@pytest.mark.parametrize("prefix", ["/", "jobs", "/jobs/", "/a b", "//a", "/a%20b"])
def test_invalid_path_prefix_is_refused(prefix: str) -> None:
    assert "PATH_PREFIX: " in problems({"PATH_PREFIX": prefix})


def problems(variables: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(variables)
    return str(caught.value)
