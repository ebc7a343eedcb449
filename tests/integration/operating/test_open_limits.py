"""Requests without a session are limited per client network; a live session can always be ended."""

import itertools
import re
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
import requests

from app.routes import ROUTES
from tests.api_client import Api, Person
from tests.integration.operating.release import CHEAP, Release, in_one_window, wait_for

LIMIT = 20
NO_TOKEN = "x"
ORIGIN = "https://app.example"
PAGES_FOR_ALL = [re.sub(r"{[^}]*}", "1", path) for path, kind in ROUTES if "GET" in kind.open_to_all]
"""Paths that need no session."""

_addresses = itertools.count(int(ip_address("10.1.0.1")))


@pytest.fixture(scope="module")
def api(release: Release) -> Iterator[Api]:
    """A service that trusts this test as its proxy."""
    release.tuning.write({**CHEAP, "limits": {"open_requests_per_address": LIMIT}})
    with release.pod(TRUSTED_PROXIES="127.0.0.0/8", CORS_ORIGINS=ORIGIN) as pod:
        yield release.api(pod)


def ask(api: Api, address: str, method: str, path: str, token: str = "") -> requests.Response:
    headers = {"X-Forwarded-For": address, "Authorization": f"Bearer {token or NO_TOKEN}", "Origin": ORIGIN}
    headers |= {"Access-Control-Request-Method": "PATCH"} if method == "OPTIONS" else {}
    body = {"refresh_token": "x"} if path.endswith("refresh") else None
    return requests.request(method, f"{api.url}{path}", json=body, headers=headers, timeout=30)


def somewhere() -> str:
    return str(ip_address(next(_addresses)))


def use_up(api: Api, address: str) -> None:
    assert {ask(api, address, "GET", "/openapi.json").status_code for _ in range(LIMIT + 1)} == {200, 429}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/openapi.json", 200),
        ("GET", "/", 200),
        ("OPTIONS", "/api/v1/users/me", 200),
        ("OPTIONS", "/api/v1/auth/login", 200),
        ("HEAD", "/docs", 200),
        ("GET", "/.well-known/jwks.json", 200),
        ("POST", "/api/v1/auth/refresh", 401),
        ("POST", "/api/v1/auth/logout", 401),
    ],
)
def test_open_endpoint_is_limited_per_network(api: Api, method: str, path: str, status: int) -> None:
    def count() -> tuple[list[int], requests.Response, int]:
        here = somewhere()
        statuses = [ask(api, here, method, path).status_code for _ in range(LIMIT)]
        return statuses, ask(api, here, method, path), ask(api, somewhere(), method, path).status_code

    statuses, refused, other = in_one_window(count)
    assert statuses == [status] * LIMIT
    assert (refused.status_code, refused.headers["RateLimit-Policy"]) == (429, f'"open";q={LIMIT};w=60')
    assert other == status
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("path", PAGES_FOR_ALL)
def test_every_page_for_all_is_limited_per_network(api: Api, path: str) -> None:
    def refused(address: str) -> list[bool]:
        url, headers = f"{api.url}{path}", {"X-Forwarded-For": address}
        return [session.get(url, headers=headers, timeout=30).status_code == 429 for _ in range(LIMIT + 1)]

    with requests.Session() as session:
        assert in_one_window(lambda: refused(somewhere())) == [False] * LIMIT + [True]


def test_public_reads_count_for_the_network_or_the_token_user(api: Api) -> None:
    person = api.person()
    made = person.send("POST", "companies", json={"name": "Acme"}).json()

    def ask_for(address: str, path: str, token: str | None) -> int:
        headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
        return requests.get(f"{api.url}/api/v1/companies/{path}", headers=headers, timeout=30).status_code

    def count() -> tuple[set[int], int, int, int]:
        here, paths = somewhere(), (str(made["id"]), f"by-slug/{made['slug']}")
        statuses = {ask_for(here, paths[number % 2], None) for number in range(LIMIT)}
        refused, bad = ask_for(here, paths[0], None), ask_for(here, paths[1], "nonsense")
        return statuses, refused, bad, ask_for(here, paths[0], person.token)

    assert in_one_window(count) == ({200}, 429, 401, 200)


def test_open_endpoints_share_one_limit(api: Api) -> None:
    def count() -> int:
        here = somewhere()
        use_up(api, here)
        return ask(api, here, "POST", "/api/v1/auth/refresh").status_code

    assert in_one_window(count) == 429


@pytest.mark.parametrize(
    "path", ["/api/v1/health/live", "/api/v1/health/ready", "/api/v1/health", "/api/v1/health/metrics", "/metrics"]
)
def test_probes_and_metrics_have_no_limit(api: Api, path: str) -> None:
    here = somewhere()
    assert {ask(api, here, "GET", path).status_code for _ in range(LIMIT + 2)} == {200}


def test_network_at_its_limit_can_log_out(api: Api) -> None:
    def count() -> tuple[int, int]:
        person, here = api.person(), somewhere()
        use_up(api, here)
        return (
            ask(api, here, "POST", "/api/v1/auth/logout", person.token).status_code,
            person.get("users/me").status_code,
        )

    assert in_one_window(count) == (204, 401)


@pytest.mark.parametrize("scope", ["session", "all"])
def test_logout_of_ended_sessions_is_limited_and_of_live_ones_is_not(api: Api, scope: str) -> None:
    """After the limit, a live session still ends; it is revived by SQL, as no request can produce that race."""
    path = f"/api/v1/auth/logout?scope={scope}"

    def count() -> tuple[list[int], int, int]:
        person = api.person()
        statuses = [ask(api, somewhere(), "POST", path, person.token).status_code for _ in range(LIMIT)]
        refused = ask(api, somewhere(), "POST", path, person.token).status_code
        _revive(api, person)
        return statuses, refused, ask(api, somewhere(), "POST", path, person.token).status_code

    assert in_one_window(count) == ([204] * LIMIT, 429, 204)


def _revive(api: Api, person: Person) -> None:
    sql = (
        "UPDATE sessions SET revoked_at = NULL, epoch = u.token_epoch FROM users u "
        "WHERE u.id = user_id AND user_id = %s RETURNING 1"
    )
    api.query(sql, (person.id,))


def test_old_audit_rows_are_removed(api: Api) -> None:
    (old,), (young,) = [
        api.query(
            "INSERT INTO audit_log (id, event, at) OVERRIDING SYSTEM VALUE "
            "VALUES (%s, 'x', now() - make_interval(days => %s)) RETURNING id",
            (-days, days),
        )
        for days in (181, 179)
    ]
    find = "SELECT id FROM audit_log WHERE id < 0"
    wait_for(lambda: api.query(find, ()) == [young], "the removal of the old row")
    assert old != young
