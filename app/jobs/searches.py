"""Searches from parameters to JSON: pages of open postings with facets, and similar postings."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, cast
from unicodedata import normalize

import msgspec
from msgspec.structs import replace

from app.coherence import DerivedCache, FactCache, Position, catalogue_key, company_key, job_key
from app.companies.schemas import CompanyFact
from app.config import SearchCache
from app.infra.metrics.counters import Counters
from app.infra.postgres.replica import asked_since
from app.infra.relying import relying
from app.jobs.codes.salaries import HOURS_PER_YEAR, Rates
from app.jobs.codes.terms import Kind, value_of
from app.jobs.codes.vocabulary import CONFIGURATIONS, countries, languages
from app.jobs.facts import JobFact, shown_fields
from app.jobs.indexing import texts_of
from app.jobs.outcomes import Hit, Outcome, end_after, number_of, page_of
from app.jobs.query.compiled import fingerprint
from app.jobs.query.cursors import Cursors
from app.jobs.query.expression import Alternative, Atom
from app.jobs.query.keys import keys_of
from app.jobs.query.languages import preferred_language
from app.jobs.query.pages.store import Key
from app.jobs.query.parameters import Wanted, read
from app.jobs.query.searching import Counted, Prepared, Searcher
from app.jobs.results import AlsoAt, Conversions, Correction, Facet, FacetValue, Total
from app.jobs.schemas import FIELDS
from app.jobs.service import JobService
from app.jobs.store import PostingStore
from app.jobs.texts.words import folded
from app.web.conditions import content_tag
from app.web.pages import ALWAYS_FIT, fitting

ALIKE, CANDIDATES, WORDS_COMPARED = 10, 60, 8
REMEMBERED = 500
"""Number of parsed searches that a worker caches."""

ASKED_MAX = 1_000
"""Of the largest of them, as `_length` counts it; it takes 25 kB at most."""

KEPT_MAX = 32 * 1024
"""Bytes of the largest finished page that is kept."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts that answer searches."""

    searcher: Searcher
    jobs: JobService
    postings: PostingStore
    results: FactCache[Outcome]
    pages: "DerivedCache[Page]"


class Page(NamedTuple):
    """The JSON of a page (`schemas.Found`), its entity tag, and its age in seconds if it may lack later changes.

    The tag is the hash of everything but `as_of`.
    """

    body: bytes
    tag: str
    age: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A finished page, the keys that it rests on besides those of what it shows, and when it ends at the latest."""

    page: Page
    keys: tuple[str, ...]
    shown: list[tuple[JobFact, CompanyFact]]
    ends_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid search, the numbers of its result and of its page in the caches, and which fields of postings to show.

    `walk` names the search of which this is a page, the one behind `after`.
    """

    wanted: Wanted
    number: int
    page: int
    shown: tuple[str, ...]
    walk: bytes
    after: Key | None


class SearchService:
    """Results are cached facts, used until a change of one of their keys is known; items come from cached postings."""

    def __init__(self, sources: Sources, cursors: Cursors, rates: Rates, counters: Counters) -> None:
        self._searcher, self._jobs, self._postings = sources.searcher, sources.jobs, sources.postings
        self._results, self._pages = sources.results, sources.pages
        self._cursors, self._counters = cursors, counters
        self._conversions = Conversions(HOURS_PER_YEAR, rates.of)
        self._asked = lru_cache(REMEMBERED)(self._parse)
        self._staleness_s = 0.0

    def apply(self, tuning: SearchCache) -> None:
        """Apply a new limit of staleness at once."""
        self._staleness_s = tuning.staleness_ms / 1000

    def search(self, given: Mapping[str, Sequence[str]], accept_language: str) -> Page:
        """A page of results, finished already if it was asked for before. Raises Invalid."""
        started = time.perf_counter()
        asked = self._ask(given, preferred_language(accept_language[:500]))
        page = self._pages.find(asked.page)
        if page is not None:
            self._count("cached", started)
            return page
        position = self._pages.position()
        kinds: list[str] = []

        def read(_number: int) -> Outcome:
            outcome, kind = self._read(asked)
            kinds.append(kind)
            return outcome

        outcome, holds = self._outcome(asked.number, read)
        if not holds:
            outcome = self._revised(outcome)
        found = self._jobs.open_jobs([hit.id for hit in outcome.hits])
        age = None if holds else max(int(time.time() - outcome.as_of.timestamp()), 0)
        page = self._page(outcome, found, asked.shown, age)
        kind = kinds[-1] if kinds else "cached" if holds else "stale"
        if kind == "cached" and not any(facet.id == "company" for facet in outcome.facets):
            keys = (*outcome.keys, *(job_key(hit.id) for hit in outcome.hits))
            self._keep(asked.page, Made(page, keys, list(found.values()), outcome.ends_at), position)
        self._count(kind, started)
        return page

    def count_since(self, given: Mapping[str, Sequence[str]], since: datetime) -> Total:
        """How many of the matches were published after `since`. Raises Invalid."""
        return Total(*self._searcher.total_since(self._ask(given, "en").wanted, since))

    def held(self, several: Sequence[Mapping[str, Sequence[str]]], job_id: int) -> tuple[int, list[bool]] | None:
        """As `Searcher.held`. Raises Invalid."""
        return self._searcher.held([self._ask(given, "en").wanted for given in several], job_id)

    def similar(self, job_id: int, user: Callable[[], int | None]) -> bytes:
        """The JSON of open postings with the same words in the title or the same skills. Raises NotFound or Gone."""
        number = page_of(job_id, ("similar",))
        known, position = self._pages.find(number), self._pages.position()
        posting = self._jobs.job(job_id, user)[0].posting
        if known is not None:
            return known.body
        title = texts_of(posting.title, "", posting.detail, ()).title
        words = [word for word in dict.fromkeys(title) if len(word) > 1][:WORDS_COMPARED]
        alternatives = tuple(Alternative((Atom((word,)),)) for word in words)
        if not alternatives:
            return b'{"jobs":[],"missing":[]}'
        lang = posting.detail.language if posting.detail.language in CONFIGURATIONS else "en"
        wanted = Wanted(q=alternatives, lang=lang, sort="relevance")
        rows = self._searcher.page(self._searcher.prepare(wanted), CANDIDATES, None).rows
        found = self._jobs.open_jobs([row.id for row in rows if row.id != job_id])
        own = {*map(folded, words), *map(folded, posting.detail.skills)}

        def alike(number: int) -> float:
            other = found[number][0].posting
            theirs = {*map(folded, other.title.split()), *map(folded, other.detail.skills)}
            return len(own & theirs) / len(own | theirs)

        best = sorted(found, key=lambda number: (-alike(number), -number))[:ALIKE]
        jobs = b",".join(found[number][0].json(found[number][1]) for number in best)
        page = Page(b'{"jobs":[' + jobs + b'],"missing":[]}', "")
        self._keep(number, Made(page, (catalogue_key(), job_key(job_id)), [found[each] for each in best]), position)
        return page.body

    def _count(self, kind: str, started: float) -> None:
        """Also for the answers that the server keeps and gives without this process's Python."""
        self._counters.searched(kind, time.perf_counter() - started)
        if (part := relying.get()) is not None:
            part.count(*self._counters.places_of_search(kind))

    def _ask(self, given: Mapping[str, Sequence[str]], lang: str) -> Asked:
        texts = tuple((name, tuple(values)) for name, values in given.items())
        return self._asked(texts, lang) if _length(texts) <= ASKED_MAX else self._parse(texts, lang)

    def _parse(self, texts: tuple[tuple[str, tuple[str, ...]], ...], lang: str) -> Asked:
        """Raises Invalid, which `lru_cache` does not keep."""
        wanted = read(dict(texts), lang, FIELDS)
        walk = fingerprint(wanted)
        after = self._cursors.open(wanted.cursor, walk, wanted.sort) if wanted.cursor else None
        number, shown = number_of(wanted, self._conversions.rates_of), shown_fields(wanted.fields)
        return Asked(wanted, number, page_of(number, shown), shown, walk, after)

    def _read(self, asked: Asked) -> tuple[Outcome, str]:
        """The result from PostgreSQL, and the kind of search for the metrics. Raises Invalid."""
        wanted, asked_at = asked.wanted, asked_since()
        prepared = self._searcher.prepare(wanted)
        found = self._searcher.page(prepared, wanted.limit + 1, asked.after)
        rows, page = found.rows, found.rows[: wanted.limit]
        if "description" in wanted.fields and len(page) > ALWAYS_FIT:
            sizes = self._postings.sizes([row.id for row in page])
            page = page[: fitting(sizes.get(row.id, 0) for row in page)]
        others, ends = self._postings.also_at([row.id for row in page if row.siblings])
        count, exact, counted = self._searcher.total(prepared) if wanted.total else (0, True, None)
        facets = self._searcher.facets(prepared, wanted.facets)
        outcome = Outcome(
            hits=tuple(Hit(row.id, row.metres, tuple(others.get(row.id, ()))) for row in page),
            next=self._cursors.seal(asked.walk, page[-1].key) if len(rows) > len(page) else None,
            total=Total(count, exact) if wanted.total else None,
            facets=tuple(self._facet(each) for each in facets),
            corrections=self._corrections(prepared) if wanted.q and len(rows) < 1 + wanted.limit // 4 else (),
            as_of=datetime.fromtimestamp(asked_at, UTC),
            keys=(*keys_of(wanted), *(job_key(other.id) for several in others.values() for other in several)),
            ends_at=end_after(asked_at, [ends, counted, *(row.left_s for row in rows), *(f.left_s for f in facets)]),
        )
        return outcome, "counted" if wanted.total or wanted.facets else found.way

    def _outcome(self, number: int, read: Callable[[int], Outcome]) -> tuple[Outcome, bool]:
        """The result, and whether it holds or is only young enough to be shown."""
        if not self._staleness_s:
            return cast("Outcome", self._results.load(number, read)), True

        def young(outcome: Outcome) -> bool:
            return abs(time.time() - outcome.as_of.timestamp()) <= self._staleness_s

        return cast("tuple[Outcome, bool]", self._results.load_aged(number, read, young))

    def _revised(self, outcome: Outcome) -> Outcome:
        """The same, with what the others that its postings stand for are now, if they are still open."""
        others = self._jobs.open_jobs([other.id for hit in outcome.hits for other in hit.also_at])
        return replace(outcome, hits=tuple(_revised(hit, others) for hit in outcome.hits))

    def _page(
        self,
        outcome: Outcome,
        found: Mapping[int, tuple[JobFact, CompanyFact]],
        shown: tuple[str, ...],
        age: int | None,
    ) -> Page:
        """Leaves out postings that are no longer open, which are not in `found`."""
        items = [
            b"%b,%b}" % (found[hit.id][0].some(found[hit.id][1], shown), _beside(hit))
            for hit in outcome.hits
            if hit.id in found
        ]
        parts = {
            "next": outcome.next,
            "total": outcome.total,
            "facets": [self._labelled(facet) for facet in outcome.facets],
            "corrections": outcome.corrections,
            "conversions": self._conversions,
        }
        told = b'{"items":[' + b",".join(items) + b"]," + _encode(parts)[1:-1]
        return Page(b'%b,"as_of":%b}' % (told, _encode(outcome.as_of)), content_tag(told), age)

    def _keep(self, number: int, made: Made, position: Position | None) -> None:
        """Keep a finished page until something that it rests on or shows has changed."""
        if len(made.page.body) <= KEPT_MAX:
            keys = [*made.keys, *(job_key(job.posting.id) for job, _ in made.shown)]
            keys += [company_key(company.brief.id) for _, company in made.shown]
            ends_at = min([made.ends_at, *(job.ends_at for job, _ in made.shown)])
            self._pages.put(number, made.page, keys, position, ends_at)

    def _facet(self, counted: Counted) -> Facet:
        numbers = [number for number, _ in counted.values]
        named = self._postings.labels(numbers) if counted.facet in ("skill", "region", "city") else {}
        values = [FacetValue(*_shown(number, named), count) for number, count in counted.values]
        return Facet(counted.facet, values, counted.exact)

    def _labelled(self, facet: Facet) -> Facet:
        """A facet of companies with their names as they are now."""
        if facet.id != "company":
            return facet
        names = self._jobs.companies_of([int(each.value) for each in facet.values])
        values = [FacetValue(each.value, names.get(int(each.value), each.label), each.count) for each in facet.values]
        return Facet(facet.id, values, facet.exact)

    def _corrections(self, prepared: Prepared) -> tuple[Correction, ...]:
        return tuple(Correction(word, found) for word, found in self._searcher.corrections(prepared).items())


def _length(texts: Iterable[tuple[str, Sequence[str]]]) -> int:
    """Characters, of which one may stand for 18, and 12 more for each value."""
    return sum(12 + len(normalize("NFKC", value)) for _, values in texts for value in values)


def _revised(hit: Hit, found: Mapping[int, tuple[JobFact, object]]) -> Hit:
    others = (found[other.id][0].posting for other in hit.also_at if other.id in found)
    return replace(hit, also_at=tuple(AlsoAt(other.id, other.detail.places) for other in others))


def _beside(hit: Hit) -> bytes:
    """The JSON of a result besides the posting's fields, without braces."""
    also_at = b'"also_at":' + (_encode(hit.also_at) if hit.also_at else b"[]")
    return also_at if hit.metres is None else b'%b,"distance_m":%d' % (also_at, hit.metres)


def _shown(number: int, named: Mapping[int, tuple[str, str]]) -> tuple[str, str]:
    """(value, label) of a term; the value is valid for the parameter."""
    kind = Kind(number >> 27)
    if number in named:
        label, country = named[number]
        return (f"{label}, {country}" if country else label), label
    value = value_of(number)
    names = {Kind.COUNTRY: countries, Kind.LANGUAGE: languages}.get(kind)
    return value, names()[value] if names else value.replace("_", " ")
