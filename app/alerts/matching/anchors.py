"""Anchors: numbers of words, values and pairs, of which a posting has every one that a query is stored under.

A query is stored under the rarest group of anchors of which each match has at least one: the lexemes of a word, the
values of a filter, or pairs of a word and a country.
"""

from collections.abc import Iterator, Mapping, Sequence
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

PLACES = ("country", "region", "city")
CELLS_MAX, PAIRS_MAX = 400, 200
ANCHORS_MAX = 500
"""Of a query: each is a row of alert_branch with all conditions of the query."""

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


def anchors_for(query: Query, counts: Counts) -> dict[Alternative | None, tuple[int, ...]]:
    """The anchors of each alternative of the words, or of None for a query without words; none if it is too broad.

    They are the rarest group, or where those have more than ANCHORS_MAX anchors together the narrowest one. Names that
    have got further numbers since the search was saved may double that; a query with still more is too broad.
    """
    groups = {each: list(_groups(each, query, counts)) for each in query.words or (None,)}
    if not all(groups.values()):
        return {}
    chosen = {each: min(several)[1] for each, several in groups.items()}
    for each in sorted(chosen, key=lambda each: len(chosen[each]), reverse=True):
        if _together(chosen) <= ANCHORS_MAX:
            break
        chosen[each] = min(groups[each], key=lambda group: (len(group[1]), group))[1]
    return chosen if _together(chosen) <= 2 * ANCHORS_MAX else {}


def too_broad(wanted: Wanted) -> bool:
    """Whether nothing in a search is rare enough to match by: it has only a type, a workplace, a seniority..."""
    return _unanchored(wanted) > 0 and not _values_of(wanted)


def too_many(wanted: Wanted) -> bool:
    """Whether a search has too many anchors: alternatives of excluded words are stored under each value or cell."""
    return _unanchored(wanted) * min(_values_of(wanted), default=0) > ANCHORS_MAX


def _unanchored(wanted: Wanted) -> int:
    """The number of alternatives without a word that occurs; 1 if there are no words at all."""
    return sum(not each.positive for each in dict.fromkeys(wanted.q)) if wanted.q else 1


def _values_of(wanted: Wanted) -> list[int]:
    """How many anchors each condition has besides the words, where each name has one number."""
    sizes = [len(getattr(wanted, name)) for name in ("company", "skill", "language")]
    sizes += [1] * bool(wanted.skill_all) + [3] * bool(wanted.eligible_from)
    cells = 0 if wanted.near is None else len(cells_around(wanted.near.lat, wanted.near.lon, wanted.radius_km))
    if cells <= CELLS_MAX:
        sizes.append(cells + sum(len(getattr(wanted, name)) for name in PLACES))
    return [size for size in sizes if size]


def _together(chosen: Mapping[Alternative | None, Sequence[int]]) -> int:
    return sum(map(len, chosen.values()))


def _groups(alternative: Alternative | None, query: Query, counts: Counts) -> Iterator[Group]:
    """The anchors of a group are different ones."""
    words = [] if alternative is None else list(_words(alternative, query))
    for lexemes, prefix in words:
        anchor = _beginning if prefix else _word
        cut = PREFIX if prefix else None
        yield _postings(lexemes, prefix, counts), tuple(dict.fromkeys(anchor(each[:cut]) for each in lexemes))
    for terms in _values(query):
        if all(map(_anchors, terms)):
            yield float(sum(counts.terms.get(each, 0) for each in terms)), tuple(dict.fromkeys(terms))
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
