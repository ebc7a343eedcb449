"""Pages for everybody that the server keeps: postings, companies, searches, batches and documentation."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_client import Api
from tests.integration.operating.kept import bearer, connect, kept, lively, steady
from tests.integration.operating.release import CHEAP, Release
from tests.integration.server.serving import Connection

WORDS = "q=nurse&country=DE"
ORIGIN = "https://app.example"


class Board:
    """A company with an owner, and its postings."""

    def __init__(self, api: Api) -> None:
        self.api, self.owner = api, api.person()
        made = self.owner.send("POST", "companies", json={"name": "Acme", "slug": f"acme-{self.owner.id}"})
        assert made.status_code == 201, made.text
        self.company: dict[str, Any] = made.json()

    def offer(self, **said: Any) -> int:
        """The id of a new posting."""
        body: dict[str, Any] = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "open"}
        body["places"] = [{"country": "DE"}]
        made = self.owner.send("POST", f"companies/{self.company['id']}/jobs", json=body | said)
        assert made.status_code == 201, made.text
        return int(made.json()["id"])

    def patch(self, path: str, **said: Any) -> None:
        changed = self.owner.send("PATCH", path, json=said)
        assert changed.status_code == 200, changed.text


@pytest.fixture(scope="module")
def api(release: Release) -> Iterator[Api]:
    """A service with one worker, so that each request meets the same kept answers."""
    release.tuning.write({**CHEAP, "limits": {"open_requests_per_address": 0, "requests_per_user": 0}})
    with release.pod(WORKERS="1", PUBLIC_URL="https://jobs.test", CORS_ORIGINS=ORIGIN) as pod:
        yield release.api(pod)


@pytest.fixture(scope="module")
def board(api: Api) -> Board:
    return Board(api)


@pytest.fixture(scope="module")
def job(board: Board) -> int:
    """An open posting that nobody changes."""
    return board.offer()


@pytest.fixture
def connection(api: Api) -> Iterator[Connection]:
    opened = connect(api)
    yield opened
    opened.close()


@pytest.fixture
def bystander(api: Api) -> Iterator[None]:
    """Another user, whose requests keep the lease alive."""
    with lively(api):
        yield


PAGES = {
    "a posting": ("/api/v1/jobs/{job}", ""),
    "a posting as JSON-LD": ("/api/v1/jobs/{job}", "Accept: application/ld+json\r\n"),
    "some postings": ("/api/v1/jobs/batch?ids={job}", ""),
    "similar postings": ("/api/v1/jobs/{job}/similar", ""),
    "a search": (f"/api/v1/jobs?{WORDS}&facets=country", "Accept-Language: de\r\n"),
    "a search with companies": (f"/api/v1/jobs?{WORDS}&facets=company,skill&total=true", ""),
    "a feed": (f"/api/v1/feeds/jobs.atom?{WORDS}", "Accept-Language: de\r\n"),
    "suggestions": ("/api/v1/jobs/suggest?q=nur", ""),
    "the index of sitemaps": ("/api/v1/sitemaps/jobs.xml", ""),
    "a sitemap": ("/api/v1/sitemaps/jobs-1.xml", "Accept-Encoding: gzip\r\n"),
    "a company": ("/api/v1/companies/{company}", ""),
    "a company by its slug": ("/api/v1/companies/by-slug/{slug}", ""),
    "keys": ("/.well-known/jwks.json", ""),
    "the description": ("/openapi.json", "Accept-Encoding: gzip\r\n"),
    "the start page": ("/", "Accept: text/html\r\n"),
    "the documentation": ("/docs", ""),
    "profiles": ("/api/v1/users/batch?ids={user}", "TOKEN"),
    "a profile": ("/api/v1/users/{user}", "TOKEN"),
    "a posting with a token": ("/api/v1/jobs/{job}", "TOKEN"),
    "a posting for another site": ("/api/v1/jobs/{job}", f"Origin: {ORIGIN}\r\n"),
}


@pytest.mark.parametrize(("target", "headers"), PAGES.values(), ids=PAGES)
def test_page_is_kept_and_given_as_it_was_made(
    board: Board, job: int, connection: Connection, target: str, headers: str
) -> None:
    path = target.format(job=job, company=board.company["id"], slug=board.company["slug"], user=board.owner.id)
    headers = headers.replace("TOKEN", bearer(board.owner))
    first = connection.get(path, headers)
    assert first.status == 200
    again = kept(lambda: connection.get(path, headers))
    assert steady(again) == steady(first)


@pytest.mark.usefixtures("bystander")
def test_posting_that_is_closed_is_gone_for_everybody_at_once(api: Api, board: Board, connection: Connection) -> None:
    reader = api.person()
    for _ in range(5):
        job = board.offer()
        page, batch, search = f"/api/v1/jobs/{job}", f"/api/v1/jobs/batch?ids={job}", f"/api/v1/jobs?{WORDS}&limit=100"
        for _ in range(4):
            assert [connection.get(path).status for path in (page, batch, search)] == [200] * 3
            assert connection.get(page, bearer(reader)).status == 200
        board.patch(f"jobs/{job}", state="closed")
        assert connection.get(page).status == 410
        assert connection.get(page, bearer(reader)).status == 410
        assert connection.get(batch).json() == {"jobs": [], "missing": [job]}
        assert job not in [item["id"] for item in connection.get(search).json()["items"]]


@pytest.mark.usefixtures("bystander")
def test_posting_that_is_opened_is_found_at_once(board: Board, connection: Connection) -> None:
    search = f"/api/v1/jobs?{WORDS}&limit=100"
    for _ in range(5):
        for _ in range(4):
            connection.get(search)
        job = board.offer()
        assert job in [item["id"] for item in connection.get(search).json()["items"]]
        board.patch(f"jobs/{job}", state="closed")


@pytest.mark.usefixtures("bystander")
def test_renamed_company_shows_its_name_everywhere_at_once(board: Board, job: int, connection: Connection) -> None:
    company = f"/api/v1/companies/{board.company['id']}"
    paths = (company, f"/api/v1/jobs/{job}", f"/api/v1/jobs/batch?ids={job}", f"/api/v1/jobs?{WORDS}")
    for number in range(5):
        for path in paths * 3:
            connection.get(path)
        board.patch(f"companies/{board.company['id']}", name=f"Acme {number}")
        assert [path for path in paths if f"Acme {number}".encode() not in connection.get(path).body] == []


def test_draft_is_shown_to_members_alone(api: Api, board: Board, connection: Connection) -> None:
    draft, stranger = f"/api/v1/jobs/{board.offer(state='draft')}", api.person()
    assert [connection.get(draft, bearer(board.owner)).status for _ in range(6)] == [200] * 6
    assert connection.get(draft, bearer(stranger)).status == 404
    assert connection.get(draft).status == 404


def test_open_page_is_not_given_to_a_bad_token(job: int, connection: Connection) -> None:
    page = f"/api/v1/jobs/{job}"
    kept(lambda: connection.get(page))
    assert connection.get(page, "Authorization: Bearer x\r\n").status == 401


def test_posting_that_does_not_exist_is_found_once_it_does(board: Board, connection: Connection) -> None:
    """Absence is not kept: nothing would tell the server of its end."""
    coming = board.offer() + 1
    for _ in range(4):
        assert connection.get(f"/api/v1/jobs/{coming}").status == 404
        assert connection.get(f"/api/v1/jobs/batch?ids={coming}").json()["missing"] == [coming]
    assert board.offer() == coming
    assert connection.get(f"/api/v1/jobs/{coming}").status == 200
    assert connection.get(f"/api/v1/jobs/batch?ids={coming}").json()["missing"] == []
