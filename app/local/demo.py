"""The tour: calls the API of a running service and prints each request and response."""

import json
import re
import secrets
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from app.local.development import running_environment
from app.local.process import LocalError, becomes_true

MAIL_TIMEOUT_S = 30.0
_NDJSON, _HTML = "application/x-ndjson", "text/html"


class File(NamedTuple):
    """A file that is sent as it is."""

    name: str
    media_type: str
    data: bytes


CV = File("cv.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n")
Body = dict[str, Any] | File | None
"""JSON, a file, or nothing."""

FEED = Path("docs/feed.ndjson")
"""Below the checkout; the image does not have it."""

_CHECKOUT = Path(__file__).resolve().parents[2]
_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"


class TourFailed(Exception):
    """A response had another status than the tour expects."""


class Tour:
    """Talks to the service at `url` and prints as it goes."""

    def __init__(self, url: str, colour: bool, mails: Path | None) -> None:
        """`mails` is the folder of the service's mails, None if they go elsewhere."""
        self._url, self._mails = url.rstrip("/"), mails
        self._bold, self._dim, self._plain = (_BOLD, _DIM, _PLAIN) if colour else ("", "", "")

    def walk(self) -> None:
        """Find work, register, prove the address, recover the password, log in, offer work, apply, log out."""
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
        if self._mails is not None:
            password = self._use_mails(email)
        tokens = self._call("Log in", "POST", "/api/v1/auth/login", 200, {"email": email, "password": password})
        token = tokens["access_token"]
        me = self._call("Who am I?", "GET", "/api/v1/users/me", 200, token=token)
        self._call("Say what I do", "PATCH", "/api/v1/users/me", 200, {"headline": "Analyst of engines"}, token)
        self._call("What others see", "GET", f"/api/v1/users/{me['id']}", 200, token=token)
        self._call("Several at once", "GET", f"/api/v1/users/batch?ids={me['id']},9007199254740991", 200, token=token)
        tokens = self._call(
            "A new pair of tokens", "POST", "/api/v1/auth/refresh", 200, {"refresh_token": tokens["refresh_token"]}
        )
        self._offer(token, email)
        if (_CHECKOUT / FEED).is_file():
            self._import(token, File(str(FEED), _NDJSON, (_CHECKOUT / FEED).read_bytes()))
        self._call("Where am I logged in?", "GET", "/api/v1/auth/sessions", 200, token=token)
        self._call("Log out: 204 means that it is final", "POST", "/api/v1/auth/logout", 204, token=token)
        self._call("The token is refused from now on, everywhere", "GET", "/api/v1/users/me", 401, token=token)
        self._call("How is the service?", "GET", "/api/v1/health", 200)

    def _use_mails(self, email: str) -> str:
        """Prove the address and recover the password by the links in the mails; returns the new password."""
        token, new = self._mailed(email, "verify"), "a short swim in the sun"
        self._call("Prove the address by the mail", "POST", "/api/v1/auth/verify", 204, {"token": token})
        self._call("Ask for a new password", "POST", "/api/v1/auth/recover", 202, {"email": email})
        body = {"token": self._mailed(email, "recover"), "password": new}
        self._call("Set it by the mail: this ends every session", "POST", "/api/v1/auth/reset", 204, body)
        return new

    def _mailed(self, email: str, purpose: str) -> str:
        """The token of the link in a mail, once it is there."""
        print(f"\n{self._dim}{self._mails}: a mail to {email}{self._plain}")
        link = re.compile(rf"/{purpose}\?token=([\w-]+)")
        found: list[str] = []

        def look() -> bool:
            texts = [path.read_text() for path in (self._mails or Path()).glob(f"{email}*.eml")]
            found[:] = [match[1] for text in texts if (match := link.search(text))]
            return bool(found)

        if not becomes_true(look, MAIL_TIMEOUT_S):
            raise TourFailed(f"no mail to {email} within {MAIL_TIMEOUT_S:g} s")
        return found[0]

    def _save(self, token: str, company: int) -> None:
        search = {"name": "Cranks", "query": f"q=cranks&lang=en&company={company}", "frequency": "instant"}
        self._call("Save a search that alerts at once", "POST", "/api/v1/saved-searches", 201, search, token)

    def _end_alerts(self, email: str) -> None:
        """With the link of the alert, once it is there."""
        path = f"/account/unsubscribe?token={self._mailed(email, 'unsubscribe')}"
        self._call("The alert is there; end the alerts as mail programs do", "POST", path, 200)

    def _offer(self, token: str, email: str) -> None:
        company = self._call("Make a company", "POST", "/api/v1/companies", 201, {"name": "Crank & Sons"}, token)
        offer = {"title": "Engine nurse", "description": "<p>You turn the crank.</p>", "language": "en"}
        path = f"/api/v1/companies/{company['id']}"
        if self._mails is not None:
            self._save(token, company["id"])
        job = self._call("Offer work", "POST", f"{path}/jobs", 201, offer, token)
        self._call("It is found at once", "GET", f"/api/v1/jobs?q=turning+cranks&lang=en&company={company['id']}", 200)
        self._call("What resembles it", "GET", f"/api/v1/jobs/{job['id']}/similar", 200)
        self._apply(job["id"], token)
        if self._mails is not None:
            self._end_alerts(email)
        self._call("Close the company and its postings", "DELETE", path, 204, token=token)
        self._call("Nobody finds it any more", "GET", f"/api/v1/jobs/{job['id']}", 410)

    def _apply(self, job: int, token: str) -> None:
        letter = {"letter": "I like engines."}
        path = f"/api/v1/jobs/{job}/applications"
        application = self._call("Apply", "POST", path, 201, letter, token)
        own = f"/api/v1/applications/{application['id']}"
        self._call("Send a CV", "PUT", f"{own}/cv", 200, CV, token)
        self._call("Answer as the company", "PATCH", own, 200, {"stage": "interview", "note": "Knows cranks"}, token)

    def _import(self, token: str, feed: File) -> None:
        company = self._call("A company that sends files", "POST", "/api/v1/companies", 201, {"name": "Trams"}, token)
        path, search = f"/api/v1/companies/{company['id']}", f"q=tram&company={company['id']}&fields=title"
        for what in ("Import its postings, a line each", "Once more: nothing changes"):
            self._call(what, "POST", f"{path}/jobs/import?source=ats", 200, feed, token)
        if not self._call("Find them", "GET", f"/api/v1/jobs?{search}", 200)["items"]:
            raise TourFailed("no imported posting is found")
        self._call("Follow every change, as partners do", "GET", "/api/v1/changes?limit=1", 200)
        self._call("Close that company, too", "DELETE", path, 204, token=token)

    def _call(self, what: str, method: str, path: str, expected: int, body: Body = None, token: str = "") -> Any:
        print(f"\n{self._bold}{what}{self._plain}")
        print(f"{self._dim}{_as_curl(self._url, method, path, body, bool(token))}{self._plain}")
        status, answer = _exchange(self._url + path, method, body, token)
        print(f"{status}" + (f" {json.dumps(answer, ensure_ascii=False)}" if answer else ""))
        if status != expected:
            raise TourFailed(f"{method} {path} answered {status}, expected {expected}")
        return answer


def _as_curl(url: str, method: str, path: str, body: Body, token: bool) -> str:
    parts = ["curl"] if method == "GET" else ["curl", "-X", method]
    if token:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if isinstance(body, File):
        parts.append(f"-H 'Content-Type: {body.media_type}' --data-binary @{body.name}")
    elif body is not None:
        parts.append(f"-H 'Content-Type: application/json' -d '{json.dumps(body, ensure_ascii=False)}'")
    return " ".join([*parts, f"'{url}{path}'"])


def _exchange(url: str, method: str, body: Body, token: str) -> tuple[int, Any]:
    """The status and the JSON of the answer; of lines, a list; of a page, nothing."""
    data = body.data if isinstance(body, File) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310 the URL is the caller's own service
    if data is not None:
        request.add_header("Content-Type", body.media_type if isinstance(body, File) else "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            status, text = response.status, response.read()
            if response.headers.get_content_type() == _HTML:
                return status, {}
            if response.headers.get_content_type() == _NDJSON:
                return status, [json.loads(line) for line in text.splitlines()]
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text else {}


def demo(url: str, state: Path) -> int:
    """Walk the tour; `state` is the folder of `make run`, whose mails it reads. Returns the exit code."""
    try:
        Tour(url, sys.stdout.isatty(), mail_folder(state, url)).walk()
    except TourFailed as error:
        print(f"\n{error}", file=sys.stderr)
    except (urllib.error.URLError, OSError) as error:
        print(f"\nNothing answers at {url} ({error}): start the service with `make run` first", file=sys.stderr)
    else:
        print("\nThat was the tour.")
        return 0
    return 1


def mail_folder(state: Path, url: str) -> Path | None:
    """Where the service at `url` writes its mails; None if it does not run in `state`, or sends them."""
    try:
        variables = running_environment(state)
    except LocalError:
        return None
    here = urlsplit(url).port == int(variables.get("PORT", "0"))
    mails = variables.get("MAIL_URL", "")
    return Path(unquote(mails.removeprefix("file:"))) if here and mails.startswith("file:") else None
