"""Anchors: numbers of words, values and pairs, of which a posting has every one that a query is stored under.

A query is stored under the rarest group of anchors of which each match has at least one: the lexemes of a word, the
values of a filter, or pairs of a word and a country.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import product

from app.jobs.codes.terms import ANYWHERE, KIND_BITS, Kind, cells_around
from app.jobs.query.compiled import Query
from app.jobs.query.expression import Alternative, choices
from app.jobs.query.parameters import Wanted
from app.jobs.query.plan import Counts

ANCHORING = frozenset(Kind) - {Kind.EMPLOYMENT_TYPE, Kind.WORKPLACE, Kind.SENIORITY, Kind.SLICE}
"""Kinds of values that few enough postings share."""

ANCHORING_PARAMETERS = ("company", "skill", "skill_all", "language", "eligible_from")
PLACES = ("country", "region", "city")
CELLS_MAX, PAIRS_MAX = 400, 200
PREFIX = 3
"""A beginning of a word anchors by this many letters at most, and at least by one less (PREFIX_MIN)."""

Group = tuple[float, tuple[int, ...]]
"""About how many postings have one of the anchors of which every match has one, and these anchors."""


def anchors_of(terms: Sequence[int], lexemes: Sequence[str]) -> list[int]:
    """Every anchor of a posting."""
    countries = [number for number in terms if number >> KIND_BITS == Kind.COUNTRY]
    found = [number for number in terms if _anchors(number)]
    found += map(_word, lexemes)
    found += map(_beginning, {lexeme[:length] for lexeme in lexemes for length in (PREFIX - 1, PREFIX)})
    found += (_pair(lexeme, country) for lexeme, country in product(lexemes, countries))
    return found


def best_anchors(alternative: Alternative | None, query: Query, counts: Counts) -> tuple[int, ...]:
    """The anchors of an alternative of the words, or of a query without words; none if it is too broad."""
    return min(_groups(alternative, query, counts), default=(0.0, ()))[1]


def too_broad(wanted: Wanted) -> bool:
    """Whether nothing in a search is rare enough to match by: it has only a type, a workplace, a seniority..."""
    if any(getattr(wanted, name) for name in ANCHORING_PARAMETERS):
        return False
    if wanted.near is not None:
        placed = len(cells_around(wanted.near.lat, wanted.near.lon, wanted.radius_km)) <= CELLS_MAX
    else:
        placed = any(getattr(wanted, name) for name in PLACES)
    return not placed and not (wanted.q and all(each.positive for each in wanted.q))


def _groups(alternative: Alternative | None, query: Query, counts: Counts) -> Iterator[Group]:
    words = [] if alternative is None else list(_words(alternative, query))
    for lexemes, prefix in words:
        anchor = _beginning if prefix else _word
        cut = PREFIX if prefix else None
        yield _postings(lexemes, prefix, counts), tuple(anchor(each[:cut]) for each in lexemes)
    for terms in _values(query):
        if all(map(_anchors, terms)):
            yield float(sum(counts.terms.get(each, 0) for each in terms)), terms
    yield from _pairs(words, query, counts)


def _words(alternative: Alternative, query: Query) -> Iterator[tuple[list[str], bool]]:
    """The lexemes of each word, of which a match has one; texts have the words of their titles, so of phrases, too."""
    for atom in alternative.positive:
        for lexemes in choices(atom, query.stems):
            yield lexemes, atom.prefix


def _values(query: Query) -> Iterator[tuple[int, ...]]:
    """The terms of which a match has one, for each condition."""
    yield from (each.terms for each in query.filters)
    yield from ((number,) for number in query.need)
    cells = query.circle.cells if query.circle is not None else ()
    if (query.places or cells) and len(cells) <= CELLS_MAX:
        yield (*query.place_terms, *cells)
    if query.eligible:
        yield (*query.eligible, ANYWHERE)


def _pairs(words: Sequence[tuple[list[str], bool]], query: Query, counts: Counts) -> Iterator[Group]:
    countries = query.place_terms
    if not countries or query.circle is not None or any(each >> KIND_BITS != Kind.COUNTRY for each in countries):
        return
    placed = sum(counts.terms.get(each, 0) for each in countries) / max(counts.total, 1)
    for lexemes, prefix in words:
        if not prefix and len(lexemes) * len(countries) <= PAIRS_MAX:
            anchors = tuple(_pair(lexeme, country) for lexeme, country in product(lexemes, countries))
            yield _postings(lexemes, False, counts) * min(placed, 1.0), anchors


def _postings(lexemes: Sequence[str], prefix: bool, counts: Counts) -> float:
    return float(sum(counts.texts.get(each + "*" * prefix, 0) for each in lexemes))


def _anchors(number: int) -> bool:
    return Kind(number >> KIND_BITS) in ANCHORING


@lru_cache(100_000)
def _word(lexeme: str) -> int:
    return _hashed(f"w{lexeme}")


def _beginning(letters: str) -> int:
    return _hashed(f"b{letters}")


def _pair(lexeme: str, country: int) -> int:
    """No collision does harm: candidates are verified."""
    return _word(lexeme) ^ (country << 32)


def _hashed(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
