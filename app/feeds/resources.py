"""HTTP resources of what goes out to partners and search engines; open to all."""

import gzip
from typing import Any

import falcon

from app.errors import FieldError, Invalid
from app.feeds.atom import ATOM, NOT_IN_FEEDS, AtomFeeds
from app.feeds.board import Feeds
from app.feeds.changes import ChangeFeed, Page
from app.feeds.openings import PAGE_MAX as OPENINGS_MAX
from app.feeds.openings import OpeningList, Openings
from app.feeds.polling import WAIT_MAX_S
from app.feeds.schemas import Changes, encode
from app.feeds.sitemaps import KEPT_S, Packed, Sitemaps
from app.jobs.parameters import searched
from app.web.compression import preferred
from app.web.conditions import coded_tag
from app.web.converters import ID_SCHEMA, parse_id
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.pages import SEALED_CURSOR
from app.web.resource import READING, Resource, given, headers_of

NDJSON = "application/x-ndjson"
PAGE, PAGE_MAX = 100, 1000


class ChangeList(Resource):
    """Every opening, change and end of a public posting, in an order without gaps."""

    open_to_all = READING

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed

    @operation(
        Operation(
            "Follow the changes of open postings; without a cursor all open postings come first",
            {200: Changes},
            errors=(401, 410, 422, 429, 503),
            parameters=(
                Parameter(
                    "cursor",
                    "query",
                    SEALED_CURSOR,
                    "`next` of the previous page; it is known for 7 days",
                ),
                Parameter(
                    "limit",
                    "query",
                    {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE},
                    "maximum number of changes on a page; it may have fewer",
                ),
                Parameter(
                    "wait",
                    "query",
                    {"type": "integer", "minimum": 0, "maximum": WAIT_MAX_S, "default": 0},
                    "seconds to wait for a change if there is none; a busy service answers at once",
                ),
            ),
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        cursor = req.params.get("cursor")
        if cursor is not None and not isinstance(cursor, str):
            raise Invalid([FieldError("cursor", "invalid", "give one cursor")])
        limit, wait = _number(req, "limit", PAGE, 1, PAGE_MAX), _number(req, "wait", 0, 0, WAIT_MAX_S)
        page = self._feed.page(cursor, limit, wait)
        req.context.started += page.waited_s  # metrics tell how long the service took
        headers = headers_of(resp)
        headers["vary"] = "Accept"
        headers["cache-control"] = "public, max-age=60" if cursor is not None and page.more else "no-store"
        _answer(req, resp, page)

    on_head = on_get


class AtomFeed(Resource):
    """A page of a search as an Atom feed."""

    open_to_all = READING

    def __init__(self, feeds: AtomFeeds) -> None:
        self._feeds = feeds

    def tag(self, req: falcon.Request, **params: object) -> None:
        """The tag of an answer is its hash; no change could be conditional on it."""

    @operation(
        Operation(
            "Search open postings, as an Atom feed",
            {200: str, 304: None},
            errors=(401, 422, 429, 503),
            parameters=tuple(each for each in searched() if each.name not in NOT_IN_FEEDS),
            headers={200: ("ETag",), 304: ("ETag",)},
            media_type=ATOM,
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data, tag, age = self._feeds.feed(given(req), req.env.get("HTTP_ACCEPT_LANGUAGE", ""))
        resp.content_type = ATOM
        headers = headers_of(resp)
        if age is not None:
            headers["age"] = str(age)
        headers.update({"etag": tag, "cache-control": "private, no-cache", "vary": "Accept-Language"})

    on_head = on_get


class _Sitemap(Resource):
    """A file for search engines; there is none without PUBLIC_URL."""

    open_to_all = READING

    def __init__(self, sitemaps: Sitemaps) -> None:
        self._sitemaps = sitemaps

    def tag(self, req: falcon.Request, **params: object) -> None:
        """As for feeds."""


class SitemapIndex(_Sitemap):
    """The list of sitemaps."""

    @operation(
        Operation(
            "The index of the sitemaps of open postings",
            {200: str, 304: None},
            errors=(401, 404, 429, 503),
            headers={200: ("ETag",), 304: ("ETag",)},
            media_type=falcon.MEDIA_XML,
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _send(req, resp, self._sitemaps.index())

    on_head = on_get


class Sitemap(_Sitemap):
    """At most 50,000 open postings."""

    @operation(
        Operation(
            "A sitemap of at most 50,000 open postings",
            {200: str, 304: None},
            errors=(401, 404, 429, 503),
            parameters=(Parameter("number", "path", ID_SCHEMA, "as the index names it", required=True),),
            headers={200: ("ETag",), 304: ("ETag",)},
            media_type=falcon.MEDIA_XML,
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, number: int) -> None:
        _send(req, resp, self._sitemaps.file(number))

    on_head = on_get


class CompanyOpenings(Resource):
    """The open postings of a company, for its own website."""

    open_to_all = READING

    def __init__(self, openings: Openings) -> None:
        self._openings = openings

    def tag(self, req: falcon.Request, **params: object) -> None:
        """As for feeds."""

    @operation(
        Operation(
            "List the open postings of a company, as a job board does",
            {200: OpeningList, 304: None},
            errors=(401, 404, 422, 429, 503),
            parameters=(
                Parameter("company_id", "path", ID_SCHEMA, "", required=True),
                Parameter("content", "query", {"type": "boolean", "default": False}, "also the descriptions"),
                Parameter(
                    "limit",
                    "query",
                    {"type": "integer", "minimum": 1, "maximum": OPENINGS_MAX, "default": OPENINGS_MAX},
                    "maximum number of openings on a page; it may have fewer",
                ),
                Parameter("cursor", "query", ID_SCHEMA, "`meta.next` of the page before"),
            ),
            headers={200: ("ETag",), 304: ("ETag",)},
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, company_id: int) -> None:
        limit = _number(req, "limit", OPENINGS_MAX, 1, OPENINGS_MAX)
        cursor, content = req.params.get("cursor"), req.params.get("content", "false")
        before = parse_id(cursor) if isinstance(cursor, str) else None
        if cursor is not None and before is None:
            raise Invalid([FieldError("cursor", "invalid", "give one cursor")])
        if content not in ("true", "false"):
            raise Invalid([FieldError("content", "invalid", "true or false")])
        resp.data, tag = self._openings.page(company_id, before, limit, content=content == "true")
        headers_of(resp).update({"etag": tag, "cache-control": "private, no-cache"})

    on_head = on_get


def all_resources(feeds: Feeds) -> list[Resource]:
    """Every resource of this module."""
    maps, openings = feeds.sitemaps, feeds.openings
    return [
        ChangeList(feeds.changes), AtomFeed(feeds.atom), SitemapIndex(maps), Sitemap(maps), CompanyOpenings(openings),
    ]  # fmt: skip


def _send(req: falcon.Request, resp: falcon.Response, packed: Packed) -> None:
    """A kept file, as it is where the client takes gzip."""
    headers = headers_of(resp)
    resp.content_type = falcon.MEDIA_XML
    headers.update({"vary": "Accept-Encoding", "cache-control": f"public, max-age={KEPT_S}", "etag": packed.tag})
    if preferred(req.env.get("HTTP_ACCEPT_ENCODING", ""), ("gzip",)):
        resp.data, headers["content-encoding"] = packed.data, "gzip"
        headers["etag"] = coded_tag(packed.tag, "gzip")
    else:
        resp.data = gzip.decompress(packed.data)


def _answer(req: falcon.Request, resp: falcon.Response, page: Page) -> None:
    behind = {"next": page.next, "more": page.more}
    if NDJSON in req.env.get("HTTP_ACCEPT", ""):
        resp.content_type = NDJSON
        resp.data = b"".join([each + b"\n" for each in (*page.changes, encode(behind))])
    else:
        resp.data = b'{"changes":[' + b",".join(page.changes) + b"]," + encode(behind)[1:]


def _number(req: falcon.Request, name: str, default: int, least: int, most: int) -> int:
    asked: Any = req.params.get(name)
    if asked is None:
        return default
    number = int(asked) if isinstance(asked, str) and asked.isascii() and asked.isdecimal() and len(asked) < 6 else -1
    if not least <= number <= most:
        raise Invalid([FieldError(name, "invalid", f"a whole number from {least} to {most}")])
    return number
