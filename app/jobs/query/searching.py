"""Runs a search: looks up its words and names, chooses the plan, and reads the page."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.errors import FieldError, Invalid
from app.jobs.codes.salaries import Rates
from app.jobs.codes.terms import Kind
from app.jobs.query.compiled import NAMED, Query, compiled, named, names_in
from app.jobs.query.expression import atoms_of, words_of
from app.jobs.query.pages.store import Key, Page
from app.jobs.query.parameters import Wanted
from app.jobs.query.plan import Counts
from app.jobs.query.store import QueryStore
from app.jobs.texts.words import folded

BASIS_S = 30.0
CORRECTED_BELOW = 20
FACET_VALUES = 30
FACET_KINDS = {
    "employment_type": Kind.EMPLOYMENT_TYPE, "workplace": Kind.WORKPLACE, "seniority": Kind.SENIORITY,
    "country": Kind.COUNTRY, "region": Kind.REGION, "city": Kind.CITY, "company": Kind.COMPANY, "skill": Kind.SKILL,
    "language": Kind.LANGUAGE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """A compiled search, with the counts that its plan depends on."""

    query: Query
    counts: Counts


@dataclass(frozen=True, slots=True)
class Counted:
    """The most frequent (term, count) of a facet; `left_s` as in `Row`, None where nothing was counted."""

    facet: str
    values: list[tuple[int, int]]
    exact: bool
    left_s: float | None


class Searcher:
    """Runs compiled searches; caches only the counts for plans, for BASIS_S seconds."""

    def __init__(self, store: QueryStore, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._rates, self._clock = store, rates, clock
        self._basis = Counts()
        self._basis_until = float("-inf")

    def prepare(self, wanted: Wanted) -> Prepared:
        """Raises what `compile` does."""
        query = self.compile(wanted)
        return Prepared(query, self._store.counts(query, self._counted()))

    def compile(self, wanted: Wanted) -> Query:
        """The query, without the counts of a plan. Raises Invalid for an amount in a currency that has no rate."""
        stems = self._store.stems(wanted.lang, words_of(wanted.q))
        found = self._store.numbers(names_in(wanted))
        numbers = {
            (NAMED[facet], folded(text)): [
                number
                for number, country in found.get((NAMED[facet], folded(named(facet, text)[0])), [])
                if named(facet, text)[1] in ("", country)
            ]
            for facet in NAMED
            for text in (*getattr(wanted, facet), *(wanted.skill_all if facet == "skill" else ()))
        }
        return compiled(wanted, stems, numbers, self._salary(wanted))

    def page(self, prepared: Prepared, rows: int, after: Key | None) -> Page:
        """The first `rows` behind `after`."""
        if prepared.query.impossible:
            return Page([], "empty")
        return self._store.page(prepared.query, prepared.counts, rows, after)

    def total(self, prepared: Prepared) -> tuple[int, bool, float | None]:
        """How many match, whether that is exact, and the seconds until one of them matches no longer."""
        return self._total(prepared.query)

    def held(self, several: Sequence[Wanted], posting_id: int) -> tuple[int, list[bool]] | None:
        """The posting that is shown for this one, and which of the searches find it; None if none is shown."""
        queries = [self.compile(wanted) for wanted in several]
        found = self._store.held([query for query in queries if not query.impossible], posting_id)
        if found is None:
            return None
        shown, held = found[0], iter(found[1])
        return shown, [not query.impossible and next(held) for query in queries]

    def holding(self, wanted: Wanted, clusters: Sequence[int]) -> dict[int, int]:
        """A posting that is shown and that the search finds, for each of these clusters that has one."""
        query = self.compile(wanted)
        return {} if query.impossible else self._store.holding(query, clusters)

    def total_since(self, wanted: Wanted, since: datetime) -> tuple[int, bool]:
        """How many of the matches were published after `since`, and whether that is exact."""
        return self._total(replace(self.compile(wanted), since=since))[:2]

    def facets(self, prepared: Prepared, names: tuple[str, ...]) -> list[Counted]:
        """In the order of `names`; facets without a filter of their own are counted in one query."""
        query = prepared.query
        alone = [name for name in names if query.filters_by(name)]
        found = self._counts([name for name in names if name not in alone], query, prepared.counts)
        for name in alone:
            found |= self._counts([name], query.without(name), prepared.counts)
        return [found[name] for name in names]

    def corrections(self, prepared: Prepared) -> dict[str, str]:
        """For words that very few postings contain, a frequent word with a similar spelling."""
        words = [
            word
            for atom in atoms_of(prepared.query.words)
            if not atom.negative and not atom.prefix
            for word in map(folded, atom.words)
            if prepared.counts.texts.get(word, 0) < CORRECTED_BELOW
        ]
        return self._store.corrections(words)

    def _total(self, query: Query) -> tuple[int, bool, float | None]:
        return (0, True, None) if query.impossible else self._store.total(query)

    def _counts(self, names: list[str], query: Query, counts: Counts) -> dict[str, Counted]:
        if not names:
            return {}
        if query.impossible:
            return {name: Counted(name, [], True, None) for name in names}
        kinds = {FACET_KINDS[name]: name for name in names}
        values, exact, left_s = self._store.facet(query, counts, list(kinds), FACET_VALUES)
        return {
            name: Counted(name, [(number, count) for number, count in values if number >> 27 == kind], exact, left_s)
            for kind, name in kinds.items()
        }

    def _counted(self) -> Counts:
        if self._clock() >= self._basis_until:
            self._basis = self._store.basis()
            self._basis_until = self._clock() + BASIS_S
        return replace(self._basis)

    def _salary(self, wanted: Wanted) -> int | None:
        if wanted.salary_min is None:
            return None
        if wanted.salary_currency not in self._rates.per_euro:
            raise Invalid([FieldError("salary_currency", "no_rate", "there is no exchange rate of this currency")])
        return self._rates.by_year(wanted.salary_min, wanted.salary_currency, wanted.salary_unit)
