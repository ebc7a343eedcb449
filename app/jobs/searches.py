"""Searches from parameters to JSON: pages of open postings with facets, and similar postings."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

import msgspec
from msgspec.structs import replace

from app.coherence import FactCache, job_key
from app.config import SearchCache
from app.infra.metrics.counters import Counters
from app.jobs.codes.salaries import HOURS_PER_YEAR, Rates
from app.jobs.codes.terms import Kind, value_of
from app.jobs.codes.vocabulary import CONFIGURATIONS, countries, languages
from app.jobs.facts import JobFact, shown_fields
from app.jobs.indexing import texts_of
from app.jobs.outcomes import Hit, Outcome, end_after, number_of
from app.jobs.query.compiled import fingerprint
from app.jobs.query.cursors import Cursors
from app.jobs.query.expression import Alternative, Atom
from app.jobs.query.keys import keys_of
from app.jobs.query.pages.store import Key
from app.jobs.query.parameters import Wanted, read
from app.jobs.query.searching import Counted, Prepared, Searcher
from app.jobs.results import AlsoAt, Conversions, Correction, Facet, FacetValue, Total
from app.jobs.schemas import FIELDS
from app.jobs.service import JobService
from app.jobs.store import PostingStore
from app.jobs.texts.words import folded

ALIKE, CANDIDATES, WORDS_COMPARED = 10, 60, 8
REMEMBERED = 500
"""Number of parsed searches that a worker caches."""

_encode = msgspec.json.Encoder().encode
_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([0-9.]{1,5})\s*)?\Z")


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts that answer searches."""

    searcher: Searcher
    jobs: JobService
    postings: PostingStore
    results: FactCache[Outcome]


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid search, the number of its result in the caches, and which fields of postings to show.

    `walk` names the search of which this is a page, the one behind `after`.
    """

    wanted: Wanted
    number: int
    shown: tuple[str, ...]
    walk: bytes
    after: Key | None


class SearchService:
    """Results are cached facts, used until a change of one of their keys is known; items come from cached postings."""

    def __init__(self, sources: Sources, cursors: Cursors, rates: Rates, counters: Counters) -> None:
        self._searcher, self._jobs, self._postings = sources.searcher, sources.jobs, sources.postings
        self._results, self._cursors, self._counters = sources.results, cursors, counters
        self._conversions = Conversions(HOURS_PER_YEAR, rates.of)
        self._asked = lru_cache(REMEMBERED)(self._parse)
        self._staleness_s = 0.0

    def apply(self, tuning: SearchCache) -> None:
        """Apply a new limit of staleness at once."""
        self._staleness_s = tuning.staleness_ms / 1000

    def search(self, given: Mapping[str, Sequence[str]], accept_language: str) -> tuple[bytes, int | None]:
        """The JSON of a page (`schemas.Found`), and its age in seconds if it may lack later changes. Raises Invalid."""
        started = time.perf_counter()
        texts = tuple((name, tuple(values)) for name, values in given.items())
        asked = self._asked(texts, preferred_language(accept_language[:500]))
        kinds: list[str] = []

        def read(_number: int) -> Outcome:
            outcome, kind = self._read(asked)
            kinds.append(kind)
            return outcome

        outcome, holds = self._outcome(asked.number, read)
        answer = self._answer(outcome if holds else self._revised(outcome), asked.shown)
        kind = kinds[0] if kinds else "cached" if holds else "stale"
        self._counters.searched(kind, time.perf_counter() - started)
        return answer, None if holds else max(int(time.time() - outcome.as_of.timestamp()), 0)

    def similar(self, job_id: int, user_id: int | None) -> bytes:
        """The JSON of open postings with the same words in the title or the same skills. Raises NotFound or Gone."""
        posting = self._jobs.job(job_id, user_id)[0].posting
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
        return b'{"jobs":[' + jobs + b'],"missing":[]}'

    def _parse(self, texts: tuple[tuple[str, tuple[str, ...]], ...], lang: str) -> Asked:
        """Raises Invalid, which `lru_cache` does not keep."""
        wanted = read(dict(texts), lang, FIELDS)
        walk = fingerprint(wanted)
        after = self._cursors.open(wanted.cursor, walk, wanted.sort) if wanted.cursor else None
        return Asked(wanted, number_of(wanted, self._conversions.rates_of), shown_fields(wanted.fields), walk, after)

    def _read(self, asked: Asked) -> tuple[Outcome, str]:
        """The result from PostgreSQL, and the kind of search for the metrics. Raises Invalid."""
        wanted, asked_at = asked.wanted, time.time()
        prepared = self._searcher.prepare(wanted)
        found = self._searcher.page(prepared, wanted.limit + 1, asked.after)
        rows, page = found.rows, found.rows[: wanted.limit]
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

    def _answer(self, outcome: Outcome, shown: tuple[str, ...]) -> bytes:
        """Leaves out postings that are no longer open."""
        found = self._jobs.open_jobs([hit.id for hit in outcome.hits])
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
            "as_of": outcome.as_of,
        }
        return b'{"items":[' + b",".join(items) + b"]," + _encode(parts)[1:]

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


@lru_cache(REMEMBERED)
def preferred_language(accepted: str) -> str:
    """The language with stems that has the greatest weight in Accept-Language, else English."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:500].split(",")):
        found = _LANGUAGE.match(part)
        if found and found[1].lower() in CONFIGURATIONS:
            weighed.append((-_weight(found[2]), place, found[1].lower()))
    best = min(weighed, default=(0.0, 0, "en"))
    return best[2] if best[0] < 0 else "en"


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


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
