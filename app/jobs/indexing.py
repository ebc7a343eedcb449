"""The search columns of a posting: terms, lexemes, yearly salary and coordinates."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from app.jobs.codes.salaries import REFERENCE, Rates
from app.jobs.codes.terms import ANYWHERE, Kind, cells_at, day_of, term
from app.jobs.query.compiled import Name
from app.jobs.schemas import Detail, Place, Salary
from app.jobs.texts.cleaning import text_of
from app.jobs.texts.words import TextLexemes, body_lexemes, folded, spelled, title_vector


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A skill, region or city, which has its number from the dictionary."""

    kind: Kind
    country: str
    label: str

    @property
    def name(self) -> Name:
        return self.kind, folded(self.label)


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of a posting in their spelling, and the language of their stems."""

    language: str
    title: list[str]
    named: list[str]
    described: list[str]

    @property
    def words(self) -> list[str]:
        return list(dict.fromkeys((*self.title, *self.body)))

    @property
    def body(self) -> list[str]:
        """Skills and names of places come first."""
        return [*self.named, *self.described]


@dataclass(frozen=True, slots=True)
class Indexed:
    """The search columns of a posting."""

    salary: int | None
    rates_of: str | None
    lats: list[float]
    lons: list[float]
    terms: list[int]
    title_tsv: str
    body_lexemes: list[str]


def texts_of(title: str, description: str, detail: Detail, places: Iterable[Place]) -> Texts:
    """The words of title and body."""
    return Texts(detail.language, spelled(title), _named(detail, places), spelled(text_of(description)))


def texts_at(texts: Texts, detail: Detail, places: Iterable[Place]) -> Texts:
    """The same words at other places."""
    return Texts(texts.language, texts.title, _named(detail, places), texts.described)


def _named(detail: Detail, places: Iterable[Place]) -> list[str]:
    named = [part for place in places for part in (place.city, place.region) if part]
    return spelled(" ".join([*detail.skills, *named]))


def named_values(detail: Detail, places: Iterable[Place]) -> list[NamedValue]:
    """The values that need a number of the dictionary."""
    found = [NamedValue(Kind.SKILL, "", skill) for skill in detail.skills]
    for place in places:
        found += [NamedValue(Kind.REGION, place.country, place.region)] if place.region else []
        found += [NamedValue(Kind.CITY, place.country, place.city)] if place.city else []
    return list({(each.name, each.country): each for each in found}.values())


def indexed(
    company_id: int, texts: Texts, detail: Detail, places: Sequence[Place], published_at: datetime
) -> "Unnumbered":  # fmt: skip
    """The search columns, except for the parts that need the database."""
    terms = {term(Kind.COMPANY, company_id), term(Kind.SLICE, day_of(published_at))}
    terms |= {term(Kind.EMPLOYMENT_TYPE, each) for each in detail.employment_type}
    terms |= {term(Kind.WORKPLACE, detail.workplace), term(Kind.LANGUAGE, detail.language)}
    terms |= {term(Kind.SENIORITY, detail.seniority)} if detail.seniority else set()
    terms |= {term(Kind.COUNTRY, place.country) for place in places}
    if detail.workplace == "remote":
        terms |= {term(Kind.ELIGIBLE, code) for code in detail.eligible_countries} or {ANYWHERE}
    spots = [(place.lat, place.lon) for place in places if place.lat is not None and place.lon is not None]
    terms |= {cell for lat, lon in spots for cell in cells_at(lat, lon)}
    return Unnumbered(texts, detail.salary, spots, terms, named_values(detail, places))


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """Search columns without the numbers of named values and the stems of words."""

    texts: Texts
    salary: Salary | None
    spots: list[tuple[float, float]]
    terms: set[int]
    named: list[NamedValue]

    def complete(self, known: TextLexemes, numbers: Mapping[tuple[Name, str], int], rates: Rates) -> Indexed:
        """`numbers` are by name and country."""
        terms = self.terms | {numbers[each.name, each.country] for each in self.named}
        return Indexed(
            by_year(self.salary, rates),
            rates_needed(self.salary, rates),
            [lat for lat, _ in self.spots],
            [lon for _, lon in self.spots],
            sorted(terms),
            title_vector(self.texts.title, known.stems),
            body_lexemes(self.texts.title, self.texts.body, known),
        )


def by_year(salary: Salary | None, rates: Rates) -> int | None:
    """The top of the range, else its bottom; None if it is unknown or its currency has no rate."""
    if salary is None or salary.currency not in rates.per_euro:
        return None
    amount = salary.max if salary.max is not None else salary.min
    return None if amount is None else rates.by_year(amount, salary.currency, salary.unit)


def rates_needed(salary: Salary | None, rates: Rates) -> str | None:
    """The day of the rates if the result of `by_year` depends on them."""
    return None if salary is None or salary.currency == REFERENCE else rates.of


def fingerprint(title: str, description: str, detail: Detail) -> bytes:
    """A hash that near-duplicates share: of all words and all filterable values except places."""
    return fingerprint_of(texts_of(title, description, detail, ()), detail)


def fingerprint_of(texts: Texts, detail: Detail) -> bytes:
    """The same for a posting of which the words are known."""
    same = msgspec.structs.replace(detail, places=(), source="", external_id="", openings=1)
    words = " ".join((*texts.title, "|", *texts.described))
    return hashlib.blake2b(words.encode() + msgspec.json.encode(same), digest_size=16).digest()
