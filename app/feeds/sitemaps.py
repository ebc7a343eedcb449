"""Sitemaps of open postings for search engines (https://www.sitemaps.org/protocol.html)."""

import gzip
from functools import lru_cache
from typing import NamedTuple

from app.errors import NotFound
from app.feeds.markup import DECLARATION, element
from app.infra.relying import period
from app.jobs.exports.service import Exporter
from app.jobs.links import Links
from app.web.conditions import content_tag

URLS_MAX = 50_000
"""URLs of a file, as the protocol allows; file n has the postings with ids up to n times as many."""

KEPT_S = 300
"""A worker keeps files as long, and so may clients."""

_KEPT_MAX = 32
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


class Packed(NamedTuple):
    """A file, compressed with gzip, and the entity tag of its text."""

    data: bytes
    tag: str


class Sitemaps:
    """Files are kept compressed: one of 50,000 URLs takes 0.14 MB, and 0.2 s of processor time to make."""

    def __init__(self, exporter: Exporter, links: Links) -> None:
        self._exporter, self._links = exporter, links
        self._kept = lru_cache(_KEPT_MAX)(self._packed)

    def index(self) -> Packed:
        """The list of all files. Raises NotFound if there is no open posting or no PUBLIC_URL."""
        return self._kept(0, period(KEPT_S))

    def file(self, number: int) -> Packed:
        """The file `number`. Raises NotFound if no posting in it is open or there is no PUBLIC_URL."""
        return self._kept(number, period(KEPT_S))

    def _packed(self, number: int, _period: int) -> Packed:
        if not self._links.absolute:
            raise NotFound("there are no sitemaps, as PUBLIC_URL is not set")
        name, entries = ("urlset", self._urls(number)) if number else ("sitemapindex", self._files())
        if not entries:
            raise NotFound("there is no such sitemap")
        text = f'{DECLARATION}<{name} xmlns="{_NAMESPACE}">{"".join(entries)}</{name}>\n'.encode()
        return Packed(gzip.compress(text, 5, mtime=0), content_tag(text))

    def _files(self) -> list[str]:
        found = self._exporter.ranges(URLS_MAX)
        where = {number: self._links.at(f"/sitemaps/jobs-{number}.xml") for number, _ in found}
        return [f"<sitemap>{element('loc', where[number])}<lastmod>{at}</lastmod></sitemap>" for number, at in found]

    def _urls(self, number: int) -> list[str]:
        template = element("loc", self._links.pages)
        found = self._exporter.in_range(number, URLS_MAX)
        return [f"<url>{template.replace('{id}', str(job_id))}<lastmod>{at}</lastmod></url>" for job_id, at in found]
