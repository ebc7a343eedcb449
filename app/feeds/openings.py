"""The open postings of one company, for its own website; the shape follows Greenhouse's job board."""

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.errors import NotFound
from app.jobs.exports.service import Exported, Exporter
from app.jobs.links import Links
from app.jobs.schemas import Place
from app.users.schemas import Id
from app.web.conditions import content_tag

PAGE_MAX = 500

_encode = msgspec.json.Encoder().encode


class Location(Struct, frozen=True):
    """The places of work in one line."""

    name: str


class Opening(Struct, frozen=True):
    """An open posting; `content` is its HTML if asked for, `requisition_id` its name in the company's own system."""

    id: Id
    title: str
    company_name: str
    location: Location
    absolute_url: str
    language: str
    requisition_id: str | None
    first_published: datetime
    updated_at: datetime
    content: str | UnsetType = UNSET


class Meta(Struct, frozen=True):
    """The number of all openings, null above 10,000; `next` is the cursor of the next page."""

    total: int | None
    next: Id | None


class OpeningList(Struct, frozen=True):
    """A page of openings, the newest first."""

    jobs: list[Opening]
    meta: Meta


class Tagged(NamedTuple):
    """The JSON of an `OpeningList`, and its entity tag."""

    body: bytes
    tag: str


class Openings:
    """Reads the database itself: a site that was told of a change sees it."""

    def __init__(self, exporter: Exporter, links: Links) -> None:
        self._exporter, self._links = exporter, links

    def page(self, company_id: int, before: int | None, limit: int, *, content: bool) -> Tagged:
        """The openings below the id `before`, with their HTML if `content`. Raises NotFound."""
        if company_id not in self._exporter.companies({company_id}):
            raise NotFound("there is no such company")
        found, following = self._exporter.of_company(company_id, before, limit)
        jobs = [self._opening(each, content=content) for each in found]
        body = _encode(OpeningList(jobs, Meta(self._exporter.count_of_company(company_id), following)))
        return Tagged(body, content_tag(body))

    def _opening(self, exported: Exported, *, content: bool) -> Opening:
        fact, company = exported
        posting = fact.posting
        published = posting.published_at or posting.first_seen_at
        return Opening(
            id=posting.id,
            title=posting.title,
            company_name=company.brief.name,
            location=Location("; ".join(map(in_one_line, posting.detail.places))),
            absolute_url=self._links.page(posting.id),
            language=posting.detail.language,
            requisition_id=posting.detail.external_id or None,
            first_published=published,
            updated_at=max(published, posting.content_changed_at),
            content=posting.description if content else UNSET,
        )


def in_one_line(place: Place) -> str:
    """Such as `Munich, Bavaria, DE`."""
    return ", ".join(filter(None, (place.city, place.region, place.country)))
