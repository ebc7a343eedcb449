"""Chooses how a search runs: by walking an index in order or by intersecting lists, from the estimated matches.

Measured on 1,000,000 postings: a walk to 20 of `n` matches visits `20 * N / n` rows at some 1.2 each, and intersecting
costs 1.5 a match and 0.08 an entry of the shortest list. Independent words are assumed; a walk is bounded for the rest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.jobs.codes.terms import ANYWHERE, Kind, term
from app.jobs.query.compiled import Query
from app.jobs.query.expression import Alternative, Atom, atoms_of, choices

Form = Literal["walk", "gin", "slices"]
WALK_MAX = 20_000
"""Most rows that a walk reads; if the page is not full then, the search is repeated by intersecting."""

SLICED_FROM = 10_000
FIRST_SLICES, NEXT_SLICES = 50_000, 300_000
"""Postings at most in the newest period that is looked into, and in the next one."""

FEW = 1_000
"""Postings that are cheaper to fetch all than to look into slices for."""

TO_SPARE = 3.0
"""Expected matches of a period per wanted row, because the estimate may be too high."""

SAMPLE_WALK_MAX = 5_000
"""Rows that a walk may look at to collect a sample; beyond that the index of words is cheaper."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of shown postings: all, and by day of publication, term, and lexeme in texts and in titles.

    They are some minutes old; only the speed of a search depends on them, not its result.
    """

    total: int = 0
    days: Mapping[int, int] = field(default_factory=dict)
    terms: Mapping[int, int] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)
    titles: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The number of matches, of postings that satisfy the rarest condition, and of those with the rarest word or term.

    There are no more matches than `most`, however much the words belong together.
    """

    matches: float
    rarest: float
    most: float = math.inf


def estimated(query: Query, counts: Counts) -> Estimate:
    """The estimate for a query; conditions without an index are ignored."""
    total = max(counts.total, 1)
    shares = [_share(sum(counts.terms.get(number, 0) for number in each.terms), total) for each in query.filters]
    shares += [_share(counts.terms.get(number, 0), total) for number in query.need]
    if query.places or query.circle is not None:
        cells = query.circle.cells if query.circle is not None else ()
        shares.append(_share(sum(counts.terms.get(number, 0) for number in (*query.place_terms, *cells)), total))
    if query.eligible:
        everywhere = counts.terms.get(ANYWHERE, 0)
        shares.append(_share(everywhere + sum(counts.terms.get(number, 0) for number in query.eligible), total))
    filtered = total * min(shares, default=1.0)
    texts = _text_share(query, counts, counts.texts) if query.words else 1.0
    return Estimate(
        total * texts * math.prod(shares),
        min(filtered, total * texts),
        min(filtered, _rarest(query, counts.texts)),
    )


def in_titles(query: Query, counts: Counts, whole: Estimate) -> Estimate:
    """The estimate for postings with every word in their title."""
    total = max(counts.total, 1)
    text, title = _text_share(query, counts, counts.texts), _text_share(query, counts, counts.titles)
    matches = whole.matches * min(title / text, 1.0) if text else 0.0
    return Estimate(matches, min(whole.rarest, total * title), min(whole.most, _rarest(query, counts.titles)))


def form_for(estimate: Estimate, counts: Counts, rows: int) -> Form:
    """The cheapest way to find the first `rows` of a query."""
    matches = max(estimate.matches, 1e-6)
    if 1.2 * rows * counts.total / matches < min(1.5 * matches + 0.08 * estimate.rarest, WALK_MAX):
        return "walk"
    return "slices" if counts.total >= SLICED_FROM and estimate.most > FEW else "gin"


def postings_with(rows: int, estimate: Estimate, counts: Counts) -> float:
    """In how many of the newest postings that many matches are expected, and some to spare."""
    return TO_SPARE * rows * counts.total / max(estimate.matches, 1e-6)


def periods(counts: Counts, last: int, postings: float) -> list[tuple[int | None, int]]:
    """Days (first, last) of each slice, the newest first; the first day is None for all that came before.

    The newest ends with the day `last` and has about `postings`, at most FIRST_SLICES: an estimate is too low for words
    that belong together, as those of one language in one of its cities. If so many do not fill a page, few matches are
    left in all. A smaller one is followed by one of six times as many.
    """
    found: list[tuple[int | None, int]] = []
    bounds = [FIRST_SLICES] if postings >= FIRST_SLICES else [postings, min(6 * postings, NEXT_SLICES)]
    seen = 0
    for day in sorted((day for day in counts.days if day <= last), reverse=True):
        seen += counts.days[day]
        if bounds and seen >= bounds[0]:
            found.append((day, last))
            last, seen = day - 1, 0
            del bounds[0]
    return [*found, (None, last)]


def sampled_since(estimate: Estimate, counts: Counts, rows: int) -> int | None:
    """The first day of the newest period in which a sample of `rows` is expected; None for all days."""
    seen, needed = 0, postings_with(rows, estimate, counts)
    for day in sorted(counts.days, reverse=True):
        seen += counts.days[day]
        if seen >= needed:
            return day
    return None


def walks_to(rows: int, estimate: Estimate, counts: Counts) -> bool:
    """Whether a sample of the newest `rows` is best found by a walk."""
    return rows * counts.total / max(estimate.matches, 1e-6) < SAMPLE_WALK_MAX


def slice_terms(first: int, last: int) -> list[int]:
    """The terms of the days from the first to the last."""
    return [term(Kind.SLICE, day) for day in range(first, last + 1)]


def _share(count: int, total: int) -> float:
    return min(count / total, 1.0)


def _text_share(query: Query, counts: Counts, found: Mapping[str, int]) -> float:
    total = max(counts.total, 1)
    return min(sum(_alternative_share(each, query, found, total) for each in query.words), 1.0)


def _rarest(query: Query, found: Mapping[str, int]) -> float:
    """Postings with the rarest word of each alternative; each word is one of several lexemes."""
    if not query.words:
        return math.inf
    return sum(
        min(
            (
                sum(found.get(lexeme + "*" * atom.prefix, 0) for lexeme in lexemes)
                for atom in each.positive
                for lexemes in choices(atom, query.stems)
            ),
            default=math.inf,
        )
        for each in query.words
    )


def _alternative_share(each: Alternative, query: Query, found: Mapping[str, int], total: int) -> float:
    share = 1.0
    for atom in each.atoms:
        if not atom.negative:
            share *= _atom_share(atom, query, found, total)
    return share


def _atom_share(atom: Atom, query: Query, found: Mapping[str, int], total: int) -> float:
    share = 1.0
    for lexemes in choices(atom, query.stems):
        share *= _share(sum(found.get(each + "*" * atom.prefix, 0) for each in lexemes), total)
    return share


def lexemes_of(query: Query) -> tuple[list[str], list[str]]:
    """Every lexeme whose count the plan depends on, and every prefix."""
    whole: Sequence[Atom] = [atom for atom in atoms_of(query.words) if not atom.prefix]
    prefixes = [each for atom in atoms_of(query.words) if atom.prefix for (each,) in choices(atom, query.stems)]
    return [lexeme for atom in whole for found in choices(atom, query.stems) for lexeme in found], prefixes


def terms_of(query: Query) -> list[int]:
    """Every term whose count the plan depends on."""
    cells = query.circle.cells if query.circle is not None else ()
    listed = [number for each in query.filters for number in each.terms]
    eligible = (*query.eligible, ANYWHERE) if query.eligible else ()
    return [*listed, *query.need, *query.place_terms, *cells, *eligible]
