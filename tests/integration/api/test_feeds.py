"""Feeds, sitemaps and boards over HTTP, read by a feed reader and by the published schema of sitemaps."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import feedparser
import pytest
from lxml import etree

from tests.api_client import Api, Person
from tests.integration.api.companies import make_company

SCHEMA = Path(__file__).with_name("sitemaps.xsd")
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
HERE = "https://jobs.example/api/v1"
OFFER = {"title": "Tram & <train> driver", "description": "<p>You drive \x0b & <b>stop</b>.</p>", "language": "en"}


class Stall:
    """A company and what it offers."""

    def __init__(self, owner: Person) -> None:
        self.owner, self.company = owner, make_company(owner)

    def offer(self, **said: Any) -> dict[str, Any]:
        answer = self.owner.send("POST", f"companies/{self.company['id']}/jobs", json=OFFER | said)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
def stall(api: Api) -> Stall:
    return Stall(api.person())


def read(text: bytes) -> Any:
    """What a reader understands; it is well-formed and has what RFC 4287 requires (4.1)."""
    found = feedparser.parse(text, sanitize_html=False, resolve_relative_uris=False)
    assert not found.bozo, found.bozo_exception
    assert found.version == "atom10"
    for each in (found.feed, *found.entries):
        assert each.id
        assert each.title
        assert each.updated_parsed
    for each in found.entries:
        assert each.author
        assert len({(link.rel, link.type) for link in each.links}) == len(each.links)
    return found


def links(of: Any) -> dict[tuple[str, str], str]:
    return {(each.rel, each.type): each.href for each in of.links}


def test_feed_of_a_search_shows_its_open_postings(api: Api, stall: Stall) -> None:
    company = stall.company
    older = stall.offer(places=[{"country": "DE", "city": "Berlin"}])
    newer = stall.offer(title="Guard")
    closed = stall.offer(title="Cook")
    stall.owner.send("PATCH", f"jobs/{closed['id']}", json={"state": "closed"})
    stall.offer(title="Nurse", state="draft")
    path = f"feeds/jobs.atom?company={company['id']}"
    answer = api.get(path)
    assert answer.headers["content-type"] == "application/atom+xml"
    found = read(answer.content)
    assert found.feed.title == f"Open postings: company={company['id']}"
    assert found.feed.updated == found.entries[0].updated == newer["published_at"].replace("Z", "+00:00")
    assert links(found.feed) == {
        ("self", "application/atom+xml"): f"{HERE}/{path}",
        ("alternate", "application/json"): f"{HERE}/jobs?company={company['id']}",
    }
    assert [each.title for each in found.entries] == ["Guard", OFFER["title"]]
    entry = found.entries[1]
    assert links(entry) == {
        ("alternate", "text/html"): f"https://www.example/jobs/{older['id']}",
        ("alternate", "application/json"): f"{HERE}/jobs/{older['id']}",
    }
    assert (entry.author, entry.summary) == (company["name"], f"{company['name']} · Berlin, DE")
    [content] = entry.content
    assert (content.type, content.language) == ("text/html", "en")
    assert content.value == older["description"].replace("\x0b", "")


def test_pages_of_a_feed_hold_each_entry_once(api: Api, stall: Stall) -> None:
    made = {stall.offer(title=f"Nurse {number}")["id"] for number in range(5)}
    path, ids, feeds = f"feeds/jobs.atom?limit=2&company={stall.company['id']}", [], set()
    while path:
        found = read(api.get(path).content)
        feeds.add(found.feed.id)
        ids += [each.id for each in found.entries]
        following = urlsplit(links(found.feed).get(("next", "application/atom+xml"), ""))
        path = f"feeds/jobs.atom?{following.query}" if following.query else ""
    assert len(ids) == len(set(ids)) == len(made)
    assert len(feeds) == 1


def test_ids_stay_when_a_posting_changes(api: Api, stall: Stall) -> None:
    path = f"feeds/jobs.atom?company={stall.company['id']}"
    job = stall.offer()
    before = api.get(path)
    again = api.fresh().send("GET", path, headers={"If-None-Match": before.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    stall.owner.send("PATCH", f"jobs/{job['id']}", json={"title": "Guard"})
    after = api.fresh().send("GET", path, headers={"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    [old], [new] = read(before.content).entries, read(after.content).entries
    assert old.id == new.id
    assert old.updated < new.updated
    assert new.title == "Guard"


def test_feed_without_entries_is_valid(api: Api, stall: Stall) -> None:
    assert read(api.get(f"feeds/jobs.atom?company={stall.company['id']}").content).entries == []


@pytest.mark.parametrize("query", ["total=true", "facets=country", "fields=title", "sort=best", "colour=red"])
def test_feed_refuses_parameters_that_it_cannot_follow(api: Api, query: str) -> None:
    answer = api.get(f"feeds/jobs.atom?{query}")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["fields"]] == [query.partition("=")[0]]


def checked(text: bytes) -> dict[str, str]:
    """Last change by URL of a sitemap or an index that follows the schema."""
    found = etree.fromstring(text)
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(found)
    return {each.findtext(f"{SITEMAP}loc"): each.findtext(f"{SITEMAP}lastmod") for each in found}


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_index_leads_to_the_pages_of_postings(api: Api, stall: Stall, coding: str) -> None:
    draft = (stall.offer(), stall.offer(state="draft"))[1]
    index = api.send("GET", "sitemaps/jobs.xml", headers={"Accept-Encoding": coding})
    [location] = checked(index.content)
    assert location == f"{HERE}/sitemaps/jobs-1.xml"
    answer = api.send("GET", "sitemaps/jobs-1.xml", headers={"Accept-Encoding": coding})
    found = checked(answer.content)
    assert all(each.startswith("https://www.example/jobs/") for each in found)
    assert f"https://www.example/jobs/{draft['id']}" not in found
    for each in (index, answer):
        assert each.headers["content-type"] == "application/xml"
        assert each.headers.get("content-encoding", "identity") == coding
        assert (each.headers["vary"], each.headers["cache-control"]) == ("Accept-Encoding", "public, max-age=300")
    assert api.get("sitemaps/jobs-77.xml").status_code == 404


def test_false_condition_on_a_compressed_file_is_a_readable_problem(api: Api, stall: Stall) -> None:
    stall.offer()
    answer = api.send("GET", "sitemaps/jobs.xml", headers={"If-Match": '"other"', "Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


def test_board_lists_what_a_company_offers(api: Api, stall: Stall) -> None:
    path = f"companies/{stall.company['id']}/jobs.json"
    assert api.get(path).json() == {"jobs": [], "meta": {"total": 0, "next": None}}
    older = stall.offer(places=[{"country": "DE", "city": "Berlin"}, {"country": "FR"}])
    newer = stall.offer(title="Guard")
    stall.offer(state="draft")
    answer = api.get(path)
    assert [each["id"] for each in answer.json()["jobs"]] == [newer["id"], older["id"]]
    assert answer.json()["meta"] == {"total": 2, "next": None}
    assert answer.json()["jobs"][1] == {
        "id": older["id"],
        "title": OFFER["title"],
        "company_name": stall.company["name"],
        "location": {"name": "Berlin, DE; FR"},
        "absolute_url": f"https://www.example/jobs/{older['id']}",
        "language": "en",
        "requisition_id": None,
        "first_published": older["published_at"],
        "updated_at": older["published_at"],
    }
    again = api.fresh().send("GET", path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    stall.owner.send("PATCH", f"jobs/{newer['id']}", json={"state": "closed"})
    [left] = api.get(f"{path}?content=true").json()["jobs"]
    assert left["content"] == older["description"]


def test_pages_of_a_board_hold_each_opening_once(api: Api, stall: Stall) -> None:
    made = [stall.offer(title=f"Nurse {number}")["id"] for number in range(5)]
    found, path = list[int](), f"companies/{stall.company['id']}/jobs.json?limit=2"
    page = api.get(path).json()
    while page["jobs"]:
        found += [each["id"] for each in page["jobs"]]
        following = page["meta"]["next"]
        page = api.get(f"{path}&cursor={following}").json() if following else {"jobs": []}
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("query", "field"), [("limit=501", "limit"), ("cursor=a", "cursor"), ("content=yes", "content")]
)
def test_board_refuses_wrong_parameters(api: Api, stall: Stall, query: str, field: str) -> None:
    answer = api.get(f"companies/{stall.company['id']}/jobs.json?{query}")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["fields"]] == [field]


def test_there_is_no_board_of_an_unknown_company(api: Api) -> None:
    assert api.get("companies/999999999/jobs.json").status_code == 404
