"""A search in terms of the index: the numbers and words that a posting must have, and the order."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.jobs.codes.terms import Kind, cells_around, has_term, term
from app.jobs.codes.vocabulary import countries
from app.jobs.query.expression import Expression, canonical, without_stop_words
from app.jobs.query.parameters import Point, Wanted
from app.jobs.texts.words import Stems, folded

Name = tuple[Kind, str]
"""A value with a number in the database's dictionary: its kind, and its text as spelled by `named`."""

NAMED = {"skill": Kind.SKILL, "region": Kind.REGION, "city": Kind.CITY}
ENUMERATED = {
    "employment_type": Kind.EMPLOYMENT_TYPE,
    "workplace": Kind.WORKPLACE,
    "seniority": Kind.SENIORITY,
    "language": Kind.LANGUAGE,
    "company": Kind.COMPANY,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A posting must have one of `terms`; `facet` is the filter's facet."""

    facet: str
    terms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Circle:
    """Places within `km` of a point lie in `cells`."""

    center: Point
    km: float
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """The conditions that every match satisfies.

    `places` and `circle` are one group: a posting has one of the places or lies within the circle. `eligible` are the
    terms of postings for people in a country; remote postings that name no country match too and come last.
    """

    words: Expression = ()
    stems: Stems = field(default_factory=dict)
    need: tuple[int, ...] = ()
    filters: tuple[Filter, ...] = ()
    forbidden: tuple[int, ...] = ()
    places: tuple[Filter, ...] = ()
    circle: Circle | None = None
    eligible: tuple[int, ...] = ()
    salary_min: int | None = None
    salary_unknown: str = ""
    within_days: int | None = None
    since: datetime | None = None
    verified: bool = False
    sort: str = "published"

    @property
    def impossible(self) -> bool:
        """Whether no posting can match."""
        nowhere = bool(self.places) and self.circle is None and not self.place_terms
        return nowhere or 0 in self.need or any(not each.terms for each in self.filters)

    @property
    def place_terms(self) -> tuple[int, ...]:
        return tuple(number for each in self.places for number in each.terms)

    def without(self, facet: str) -> "Query":
        """The same without the filter of one facet, whose counts do not depend on it; places go with their group."""
        if any(each.facet == facet for each in self.places):
            return replace(self, places=(), circle=None)
        return replace(self, filters=tuple(each for each in self.filters if each.facet != facet))

    def filters_by(self, facet: str) -> bool:
        """Whether the query has a filter of this facet."""
        return self.without(facet) != self


def names_in(wanted: Wanted) -> list[Name]:
    """The values that must be looked up in the dictionary."""
    texts = {
        "skill": (*wanted.skill, *wanted.skill_all), "region": wanted.region, "city": wanted.city
    }  # fmt: skip
    return [(NAMED[name], folded(named(name, text)[0])) for name, values in texts.items() for text in values]


def compiled(wanted: Wanted, stems: Stems, numbers: Mapping[Name, Iterable[int]], salary_min: int | None) -> Query:
    """`numbers` has the terms of each name that the dictionary knows; `salary_min` is that of `wanted` by the year."""

    def found(facet: str, texts: Iterable[str]) -> tuple[int, ...]:
        return tuple(number for text in texts for number in numbers.get((NAMED[facet], folded(text)), ()))

    filters = [
        Filter(name, tuple(term(kind, value) for value in getattr(wanted, name) if has_term(kind, value)))
        for name, kind in ENUMERATED.items()
        if getattr(wanted, name)
    ]
    if wanted.skill:
        filters.append(Filter("skill", found("skill", wanted.skill)))
    places = [Filter("country", tuple(term(Kind.COUNTRY, code) for code in wanted.country))]
    places += [Filter(name, found(name, getattr(wanted, name))) for name in ("region", "city")]
    asked = [each for each in places if getattr(wanted, each.facet)]
    eligible: tuple[int, ...] = ()
    if code := wanted.eligible_from:
        eligible = (term(Kind.COUNTRY, code), term(Kind.ELIGIBLE, code))
    return Query(
        words=without_stop_words(wanted.q, stems),
        stems=stems,
        need=tuple(next(iter(found("skill", [text])), 0) for text in wanted.skill_all),
        filters=tuple(filters),
        forbidden=tuple(term(Kind.COMPANY, number) for number in wanted.company_not if has_term(Kind.COMPANY, number)),
        places=tuple(asked),
        circle=_circle(wanted),
        eligible=eligible,
        salary_min=salary_min,
        salary_unknown=wanted.salary_unknown or ("exclude" if salary_min is not None else ""),
        within_days=wanted.posted_within_days,
        verified=wanted.verified,
        sort=wanted.sort,
    )


def fingerprint(wanted: Wanted) -> bytes:
    """A hash that is equal for all pages of one search."""
    asked = replace(wanted, q=(), cursor="", limit=1, total=False, facets=(), fields=())
    text = f"{canonical(wanted.q)}\n{asked!r}"
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def named(facet: str, text: str) -> tuple[str, str]:
    """A name and, of a place, the country that stands behind it, as in `Paris, FR`; empty where none does."""
    if facet == "skill":
        return text, ""
    name, comma, code = text.rpartition(",")
    code = code.strip().upper()
    return (name.strip(), code) if comma and code in countries() else (text.strip(), "")


def _circle(wanted: Wanted) -> Circle | None:
    if wanted.near is None:
        return None
    cells = cells_around(wanted.near.lat, wanted.near.lon, wanted.radius_km)
    return Circle(wanted.near, wanted.radius_km, tuple(cells))
