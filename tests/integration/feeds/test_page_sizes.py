"""Pages of postings with long texts end early, and their cursors lead to all the others."""

from collections.abc import Iterator

import msgspec
import pytest

from app.events.service import EventLog
from app.events.store import EventStore
from app.feeds.board import change_feed
from app.feeds.changes import ChangeFeed
from app.feeds.openings import OpeningList, Openings
from app.jobs.links import Links
from app.web.pages import PAGE_BYTES
from tests.conftest import LocalDatabase
from tests.integration.imports.office import Office, line, office_at

POSTINGS = 40
LENGTHEN = "UPDATE posting_text SET description = repeat(U&'\\+01F600', 49000)"
BESIDE = 1000
"""Bytes of a change besides the texts, more than enough."""


@pytest.fixture
def office(database: LocalDatabase) -> Iterator[Office]:
    with office_at(database.url, direct=False) as made:
        EventLog(EventStore(made.database)).renew()
        yield made


@pytest.fixture
def feed(office: Office) -> ChangeFeed:
    return change_feed(EventLog(EventStore(office.database)), office.board.exports, b"x" * 32)


def offer_long(office: Office) -> list[int]:
    """Postings with descriptions of 196 kB each; their ids."""
    made = [each.id for each in office.send(*(line(number) for number in range(POSTINGS)))]
    assert office.database.run(LENGTHEN) == POSTINGS
    return [number for number in made if number]


def walked(feed: ChangeFeed, cursor: str | None) -> tuple[list[int], int]:
    """The postings of all pages from the cursor on, and how many of the pages ended early."""
    found, early, more = list[int](), 0, True
    while more and len(found) <= POSTINGS:
        page = feed.page(cursor, 1000)
        assert sum(map(len, page.changes)) <= PAGE_BYTES + BESIDE * POSTINGS
        numbers = [msgspec.json.decode(each)["id"] for each in page.changes]
        found += numbers
        cursor, more = page.next, page.more
        early += more and bool(numbers)
    return found, early


def test_walk_through_long_postings_has_small_pages(office: Office, feed: ChangeFeed) -> None:
    made = offer_long(office)
    found, early = walked(feed, None)
    assert (found, early) == (made, 2)


def test_changes_of_long_postings_have_small_pages(office: Office, feed: ChangeFeed) -> None:
    before = feed.page(None, 1000).next
    made = offer_long(office)
    found, early = walked(feed, before)
    assert (found, early) == (made, 1)


def test_board_of_long_postings_has_small_pages(office: Office) -> None:
    made, board = offer_long(office), Openings(office.board.exports, Links("", "https://a/{id}"))
    found, before, more = list[int](), None, True
    while more:
        body = board.page(office.company, before, 500, content=True).body
        assert len(body) <= PAGE_BYTES + BESIDE * POSTINGS
        page = msgspec.json.decode(body, type=OpeningList)
        found += [each.id for each in page.jobs]
        before = page.meta.next
        more = before is not None
    assert found == made[::-1]


def test_search_with_descriptions_has_small_pages(office: Office) -> None:
    made, given = offer_long(office), {"q": ["nurse"], "sort": ["published"], "limit": ["100"]}
    brief = msgspec.json.decode(office.board.searches.search(given, "").body)
    assert sorted(each["id"] for each in brief["items"]) == made
    found, early, further = list[int](), -1, dict[str, list[str]]()
    while early < 0 or further:
        body = office.board.searches.search(given | further | {"fields": ["description"]}, "").body
        assert len(body) <= PAGE_BYTES + BESIDE * POSTINGS
        page = msgspec.json.decode(body)
        found += [each["id"] for each in page["items"]]
        further = {"cursor": [page["next"]]} if page["next"] else {}
        early += 1
    assert (found, early) == ([each["id"] for each in brief["items"]], 1)


def test_feed_does_not_read_what_a_posting_was_found_by(office: Office, feed: ChangeFeed) -> None:
    log = EventLog(EventStore(office.database))
    before = log.newest()
    office.send(line(1))
    office.send(line(1, title="Cook"))
    office.database.run("UPDATE posting SET state = 'closed', shown = false")
    whole, brief = (log.read(before, briefly=each)[0] for each in (False, True))
    assert [each.kind for each in brief] == ["opened", "changed", "closed"]
    assert [set(each.payload) for each in whole] == [{"company"}, {"company", "before"}, {"company", "places"}]
    assert [set(each.payload) for each in brief] == [set(), set(), {"company", "places"}]
