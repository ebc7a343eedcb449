"""The tour: calls the API of a running service and prints each request and response."""

import json
import secrets
import sys
import urllib.error
import urllib.request
from typing import Any

_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"


class TourFailed(Exception):
    """A response had another status than the tour expects."""


class Tour:
    """Talks to the service at `url` and prints as it goes."""

    def __init__(self, url: str, colour: bool) -> None:
        self._url = url.rstrip("/")
        self._bold, self._dim, self._plain = (_BOLD, _DIM, _PLAIN) if colour else ("", "", "")

    def walk(self) -> None:
        """Find work, register, log in, offer work, log out, and be refused."""
        query = "q=nurse+OR+engineer&salary_min=30000&salary_currency=USD&facets=country,workplace&total=true&limit=2"
        found = self._call("Find work", "GET", f"/api/v1/jobs?{query}", 200)
        if found["next"]:
            self._call("The next page", "GET", f"/api/v1/jobs?{query}&cursor={found['next']}", 200)
        email, password = f"ada-{secrets.token_hex(4)}@example.com", "a long walk in the rain"
        self._call(
            "Make an account",
            "POST",
            "/api/v1/auth/register",
            201,
            {"email": email, "password": password, "name": "Ada"},
        )
        tokens = self._call("Log in", "POST", "/api/v1/auth/login", 200, {"email": email, "password": password})
        token = tokens["access_token"]
        me = self._call("Who am I?", "GET", "/api/v1/users/me", 200, token=token)
        self._call("Say what I do", "PATCH", "/api/v1/users/me", 200, {"headline": "Analyst of engines"}, token)
        self._call("What others see", "GET", f"/api/v1/users/{me['id']}", 200, token=token)
        self._call("Several at once", "GET", f"/api/v1/users/batch?ids={me['id']},9007199254740991", 200, token=token)
        tokens = self._call(
            "A new pair of tokens", "POST", "/api/v1/auth/refresh", 200, {"refresh_token": tokens["refresh_token"]}
        )
        self._offer(token)
        self._call("Where am I logged in?", "GET", "/api/v1/auth/sessions", 200, token=token)
        self._call("Log out: 204 means that it is final", "POST", "/api/v1/auth/logout", 204, token=token)
        self._call("The token is refused from now on, everywhere", "GET", "/api/v1/users/me", 401, token=token)
        self._call("How is the service?", "GET", "/api/v1/health", 200)

    def _offer(self, token: str) -> None:
        company = self._call("Make a company", "POST", "/api/v1/companies", 201, {"name": "Crank & Sons"}, token)
        offer = {"title": "Engine nurse", "description": "<p>You turn the crank.</p>", "language": "en"}
        path = f"/api/v1/companies/{company['id']}"
        job = self._call("Offer work", "POST", f"{path}/jobs", 201, offer, token)
        self._call("It is found at once", "GET", f"/api/v1/jobs?q=turning+cranks&lang=en&company={company['id']}", 200)
        self._call("What resembles it", "GET", f"/api/v1/jobs/{job['id']}/similar", 200)
        self._call("Close the company and its postings", "DELETE", path, 204, token=token)
        self._call("Nobody finds it any more", "GET", f"/api/v1/jobs/{job['id']}", 410)

    def _call(
        self, what: str, method: str, path: str, expected: int, body: dict[str, Any] | None = None, token: str = ""
    ) -> dict[str, Any]:
        print(f"\n{self._bold}{what}{self._plain}")
        print(f"{self._dim}{_as_curl(self._url, method, path, body, bool(token))}{self._plain}")
        status, answer = _exchange(self._url + path, method, body, token)
        print(f"{status}" + (f" {json.dumps(answer, ensure_ascii=False)}" if answer else ""))
        if status != expected:
            raise TourFailed(f"{method} {path} answered {status}, expected {expected}")
        return answer


def _as_curl(url: str, method: str, path: str, body: dict[str, Any] | None, token: bool) -> str:
    parts = ["curl"] if method == "GET" else ["curl", "-X", method]
    if token:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if body is not None:
        parts.append(f"-H 'Content-Type: application/json' -d '{json.dumps(body, ensure_ascii=False)}'")
    return " ".join([*parts, f"'{url}{path}'"])


def _exchange(url: str, method: str, body: dict[str, Any] | None, token: str) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 the URL is the caller's own service
    if data is not None:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            status, text = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text else {}


def demo(url: str) -> int:
    """Walk the tour; returns the exit code."""
    try:
        Tour(url, sys.stdout.isatty()).walk()
    except TourFailed as error:
        print(f"\n{error}", file=sys.stderr)
    except (urllib.error.URLError, OSError) as error:
        print(f"\nNothing answers at {url} ({error}): start the service with `make run` first", file=sys.stderr)
    else:
        print("\nThat was the tour.")
        return 0
    return 1
