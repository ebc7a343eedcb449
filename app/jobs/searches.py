"""Searches as they are asked for and answered: pages of postings that are open now, facets, suggestions."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from app.infra.metrics.counters import Counters
from app.jobs.codes.salaries import HOURS_PER_YEAR, Rates
from app.jobs.codes.terms import NUMBERS, Kind, value_of
from app.jobs.codes.vocabulary import CONFIGURATIONS, countries, languages
from app.jobs.facts import shown_fields
from app.jobs.indexing import texts_of
from app.jobs.query.compiled import fingerprint
from app.jobs.query.cursors import Cursors
from app.jobs.query.expression import Alternative, Atom
from app.jobs.query.pages.store import Row
from app.jobs.query.parameters import Wanted, read
from app.jobs.query.searching import Counted, Prepared, Searcher
from app.jobs.results import Conversions, Correction, Facet, FacetValue, Total
from app.jobs.schemas import FIELDS
from app.jobs.service import JobService
from app.jobs.store import PostingStore
from app.jobs.texts.words import folded

ALIKE, CANDIDATES, WORDS_COMPARED = 10, 60, 8
_encode = msgspec.json.Encoder().encode
_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([0-9.]{1,5})\s*)?\Z")


@dataclass(frozen=True, slots=True)
class Sources:
    """What searches are answered from."""

    searcher: Searcher
    jobs: JobService
    postings: PostingStore
    rates: Rates
    counters: Counters


class SearchService:
    """Every search asks the database, so that it is as fresh as the last commit; its items come from facts."""

    def __init__(self, sources: Sources, cursors: Cursors) -> None:
        self._searcher, self._jobs, self._postings = sources.searcher, sources.jobs, sources.postings
        self._cursors, self._counters = cursors, sources.counters
        self._conversions = Conversions(HOURS_PER_YEAR, sources.rates.of)

    def search(self, given: Mapping[str, Sequence[str]], accept_language: str) -> bytes:
        """The JSON of a page (`schemas.Found`). Raises Invalid."""
        started = time.perf_counter()
        wanted = read(given, preferred_language(accept_language), FIELDS)
        search = fingerprint(wanted)
        after = self._cursors.open(wanted.cursor, search, wanted.sort) if wanted.cursor else None
        as_of = datetime.now(UTC)
        prepared = self._searcher.prepare(wanted)
        found = self._searcher.page(prepared, wanted.limit + 1, after)
        rows = found.rows
        page = rows[: wanted.limit]
        following = self._cursors.seal(search, page[-1].key) if len(rows) > len(page) else None
        parts = {
            "next": following,
            "total": Total(*self._searcher.total(prepared)) if wanted.total else None,
            "facets": [self._facet(each) for each in self._searcher.facets(prepared, wanted.facets)],
            "corrections": self._corrections(prepared) if wanted.q and len(rows) < 1 + wanted.limit // 4 else [],
            "conversions": self._conversions,
            "as_of": as_of,
        }
        answer = b'{"items":[' + self._items(page, wanted) + b"]," + _encode(parts)[1:]
        kind = "counted" if wanted.total or wanted.facets else found.way
        self._counters.searched(kind, time.perf_counter() - started)
        return answer

    def similar(self, job_id: int, user_id: int | None) -> bytes:
        """The JSON of open postings that share words of the title and skills. Raises NotFound or Gone."""
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

    def _items(self, page: Sequence[Row], wanted: Wanted) -> bytes:
        """What is no longer open is left out: it was closed since the query ran."""
        found = self._jobs.open_jobs([row.id for row in page])
        others = self._postings.also_at([row.id for row in page if row.siblings])
        names = shown_fields(wanted.fields)
        return b",".join(
            b"%b,%b}" % (found[row.id][0].some(found[row.id][1], names), _encode(_beside(row, others))[1:-1])
            for row in page
            if row.id in found
        )

    def _facet(self, counted: Counted) -> Facet:
        numbers = [number for number, _ in counted.values]
        named = self._postings.labels(numbers) if counted.facet in ("skill", "region", "city") else {}
        companies = (
            self._jobs.companies_of([number % NUMBERS for number in numbers]) if counted.facet == "company" else {}
        )
        values = []
        for number, count in counted.values:
            value, label = _shown(number, named)
            if counted.facet == "company":
                label = companies.get(number % NUMBERS, label)
            values.append(FacetValue(value, label, count))
        return Facet(counted.facet, values, counted.exact)

    def _corrections(self, prepared: Prepared) -> list[Correction]:
        return [Correction(word, found) for word, found in self._searcher.corrections(prepared).items()]


def preferred_language(accepted: str) -> str:
    """The language of Accept-Language that weighs most of those that have stems, else English."""
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


def _beside(row: Row, others: Mapping[int, Sequence[object]]) -> dict[str, object]:
    beside: dict[str, object] = {"also_at": others.get(row.id, [])}
    return beside if row.metres is None else beside | {"distance_m": row.metres}


def _shown(number: int, named: Mapping[int, tuple[str, str]]) -> tuple[str, str]:
    """(value, label) of a term, the value as its parameter takes it."""
    kind = Kind(number >> 27)
    if number in named:
        label, country = named[number]
        return (f"{label}, {country}" if country else label), label
    value = value_of(number)
    names = {Kind.COUNTRY: countries, Kind.LANGUAGE: languages}.get(kind)
    return value, names()[value] if names else value.replace("_", " ")
