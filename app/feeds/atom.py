"""A page of a search as an Atom feed (RFC 4287), whose pages are linked as RFC 5005 has it."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID, uuid5

import msgspec

from app.companies.schemas import CompanyBrief
from app.errors import FieldError, Invalid
from app.feeds.markup import DECLARATION, element
from app.feeds.openings import in_one_line
from app.jobs.links import Links
from app.jobs.schemas import Place
from app.jobs.searches import SearchService
from app.web.conditions import content_tag

ATOM = "application/atom+xml"
NOT_IN_FEEDS = ("total", "facets", "fields")
"""Parameters of a search whose results a feed cannot show."""

_FIELDS = ["description,places,language,published_at,content_changed_at"]
_NOT_IN_TITLES = ("cursor", "limit", "lang", "sort")
_NO_ENTRY = datetime(1970, 1, 1, tzinfo=UTC)


class _Entry(msgspec.Struct):
    id: int
    title: str
    company: CompanyBrief
    description: str
    places: tuple[Place, ...]
    language: str
    published_at: datetime
    content_changed_at: datetime

    @property
    def updated(self) -> datetime:
        return max(self.published_at, self.content_changed_at)


class _Found(msgspec.Struct):
    items: list[_Entry]
    next: str | None


_decode = msgspec.json.Decoder(_Found).decode


class Feed(NamedTuple):
    """The bytes of a feed, its entity tag, and its age as `searches.Page` has it."""

    body: bytes
    tag: str
    age: int | None


class AtomFeeds:
    """Feeds of searches. Ids do not depend on URLs, so that a feed keeps its entries when the service moves."""

    def __init__(self, searches: SearchService, links: Links, secret: bytes) -> None:
        """`secret` is this installation's own: ids are made from its hash."""
        self._searches, self._links = searches, links
        self._ids = UUID(bytes=hashlib.blake2b(b"ids of feeds", key=secret[:64], digest_size=16).digest())

    def feed(self, given: Mapping[str, Sequence[str]], accept_language: str) -> Feed:
        """The page of a search with the parameters `given`. Raises Invalid."""
        if refused := [name for name in given if name in NOT_IN_FEEDS]:
            raise Invalid([FieldError(name, "unknown", "a feed has no such parameter") for name in refused])
        page = self._searches.search({**given, "fields": _FIELDS}, accept_language)
        body = self._rendered(_decode(page.body), given).encode()
        return Feed(body, content_tag(body), page.age)

    def _rendered(self, found: _Found, given: Mapping[str, Sequence[str]]) -> str:
        asked = sorted((name, value) for name, values in given.items() for value in values)
        search = [(name, value) for name, value in asked if name not in ("cursor", "limit")]
        filters = ", ".join(f"{name}={value}" for name, value in search if name not in _NOT_IN_TITLES)
        updated = max((each.updated for each in found.items), default=_NO_ENTRY)
        parts = [
            element("id", self._id(f"search {urlencode(search)}")),
            element("title", f"Open postings: {filters}" if filters else "Open postings"),
            element("updated", updated.isoformat()),
            element("link", rel="self", type=ATOM, href=self._at("/feeds/jobs.atom", asked)),
            element("link", rel="alternate", type="application/json", href=self._at("/jobs", asked)),
        ]
        if found.next:
            following = [*(each for each in asked if each[0] != "cursor"), ("cursor", found.next)]
            parts.append(element("link", rel="next", type=ATOM, href=self._at("/feeds/jobs.atom", following)))
        parts += map(self._entry, found.items)
        return f'{DECLARATION}<feed xmlns="http://www.w3.org/2005/Atom">{"".join(parts)}</feed>\n'

    def _entry(self, entry: _Entry) -> str:
        places = map(in_one_line, entry.places)
        said = element("content", entry.description, type="html", xml_lang=entry.language)
        parts = (
            element("id", self._id(f"job {entry.id}")),
            element("title", entry.title),
            element("updated", entry.updated.isoformat()),
            element("published", entry.published_at.isoformat()),
            f"<author>{element('name', entry.company.name)}</author>",
            *self._alternates(entry.id),
            element("summary", " · ".join((entry.company.name, *places))),
            said,
        )
        return f"<entry>{''.join(parts)}</entry>"

    def _alternates(self, job_id: int) -> list[str]:
        page, described = self._links.page(job_id), self._links.job(job_id)
        pages = [element("link", rel="alternate", type="text/html", href=page)] if page != described else []
        return [*pages, element("link", rel="alternate", type="application/json", href=described)]

    def _at(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        return self._links.at(path) + (f"?{urlencode(query)}" if query else "")

    def _id(self, name: str) -> str:
        return uuid5(self._ids, name).urn
