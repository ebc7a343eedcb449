"""A reference implementation of searches in plain Python: it scans every posting and shares no code with the SQL."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.jobs.codes.salaries import PER_YEAR, Rates
from app.jobs.indexing import fingerprint
from app.jobs.query.expression import Atom
from app.jobs.query.parameters import Wanted
from app.jobs.schemas import Place, Posting
from app.jobs.texts.cleaning import text_of
from app.jobs.texts.words import folded, spelled
from tests.integration.jobs.catalogue import NOW, open_now

Stem = Callable[[str, str], tuple[str, ...] | None]
"""(language, word) -> stems; an empty tuple for a stop word, None if the language has no stemmer."""


@dataclass(frozen=True)
class Shown:
    """A search result: a posting with the places of its whole cluster."""

    posting: Posting
    places: tuple[Place, ...]


def shown(postings: Sequence[Posting]) -> list[Shown]:
    """For each cluster, the open posting with the latest `valid_through`."""
    clusters: dict[tuple[int, bytes], list[Posting]] = {}
    for each in open_now(postings):
        key = each.company_id, fingerprint(each.title, each.description, each.detail)
        clusters.setdefault(key, []).append(each)
    found = []
    for alike in clusters.values():
        leader = max(alike, key=lambda each: (each.valid_through, each.id))
        places = dict.fromkeys(place for each in alike for place in each.detail.places)
        found.append(Shown(leader, tuple(places)))
    return found


class Naive:
    """Searches `postings`."""

    def __init__(self, postings: Sequence[Posting], stem: Stem, rates: Rates, verified: Iterable[int]) -> None:
        self._shown, self._stem, self._rates, self._verified = shown(postings), stem, rates, set(verified)

    def search(self, wanted: Wanted) -> list[int]:
        """The ids of all matches, in the order of the search."""
        found = [(self._key(each, wanted), each.posting.id) for each in self.matches(wanted)]
        return [number for _, number in sorted(found)]

    def matches(self, wanted: Wanted, but: str = "") -> list[Shown]:
        """All matches, without the filter `but`."""
        return [each for each in self._shown if self._matches(each, wanted, but)]

    def facet(self, wanted: Wanted, name: str) -> dict[str, int]:
        """The number of matches for each value."""
        counts: dict[str, int] = {}
        for each in self.matches(wanted, name):
            for value in _values(each, name):
                counts[value] = counts.get(value, 0) + 1
        return counts

    def _key(self, each: Shown, wanted: Wanted) -> tuple[Any, ...]:
        posting = each.posting
        assert posting.published_at is not None
        known = not wanted.eligible_from or self._eligible(each, wanted.eligible_from) == "known"
        newest = (-posting.published_at.timestamp(), -posting.id)
        if wanted.sort == "relevance":
            return (not known, not self._in_title(each, wanted), *newest)
        if wanted.sort == "salary":
            salary = self._salary(posting)
            return (not known, salary is None, -(salary or 0), *newest)
        if wanted.sort == "distance":
            return (not known, self._metres(each, wanted), posting.id)
        return (not known, *newest)

    def _matches(self, each: Shown, wanted: Wanted, but: str) -> bool:
        posting, said = each.posting, each.posting.detail
        opened = posting.published_at or NOW
        rules = {
            "q": not wanted.q or any(self._all(alternative, each, wanted) for alternative in self._telling(wanted)),
            "company": not wanted.company or posting.company_id in wanted.company,
            "company_not": posting.company_id not in wanted.company_not,
            "employment_type": not wanted.employment_type or bool({*said.employment_type} & {*wanted.employment_type}),
            "workplace": not wanted.workplace or said.workplace in wanted.workplace,
            "seniority": not wanted.seniority or said.seniority in wanted.seniority,
            "language": not wanted.language or said.language in wanted.language,
            "skill": not wanted.skill or bool(_folded(said.skills) & _folded(wanted.skill)),
            "skill_all": _folded(wanted.skill_all) <= _folded(said.skills),
            "where": _group_left_out(wanted, but) or self._there(each, wanted),
            "eligible": not wanted.eligible_from or bool(self._eligible(each, wanted.eligible_from)),
            "salary": self._paid(posting, wanted),
            "days": wanted.posted_within_days is None or opened > _days_ago(wanted.posted_within_days),
            "verified": not wanted.verified or posting.company_id in self._verified,
        }
        return all(kept for name, kept in rules.items() if name != but)

    def _telling(self, wanted: Wanted) -> list[list[Atom]]:
        """The alternatives without stop words, unless nothing else would remain."""
        found = []
        for alternative in wanted.q:
            kept = [atom for atom in alternative.atoms if not self._stops(atom, wanted.lang)]
            found.append(kept if any(not atom.negative for atom in kept) else list(alternative.atoms))
        return found

    def _stops(self, atom: Atom, lang: str) -> bool:
        single = not atom.phrase and not atom.prefix
        return single and all(self._stem(lang, word) == () for word in atom.words)

    def _all(self, atoms: list[Atom], each: Shown, wanted: Wanted) -> bool:
        return all(self._has(atom, each, wanted.lang) != atom.negative for atom in atoms)

    def _has(self, atom: Atom, each: Shown, lang: str) -> bool:
        if atom.phrase:
            return self._phrase(atom, each, lang)
        return all(self._found(word, atom, self._body(each), lang) for word in atom.words)

    def _in_title(self, each: Shown, wanted: Wanted) -> bool:
        for atoms in self._telling(wanted):
            positive = [atom for atom in atoms if not atom.negative]
            if positive and self._all(atoms, each, wanted) and self._titled(positive, each, wanted.lang):
                return True
        return False

    def _titled(self, positive: list[Atom], each: Shown, lang: str) -> bool:
        title = {lexeme for word in spelled(each.posting.title) for lexeme in self._of(word, each)}
        return all(
            self._phrase(atom, each, lang)
            if atom.phrase
            else all(self._found(w, atom, title, lang) for w in atom.words)
            for atom in positive
        )

    def _phrase(self, atom: Atom, each: Shown, lang: str) -> bool:
        title = [self._of(word, each) for word in spelled(each.posting.title)]
        asked = [self._asked(word, lang) for word in atom.words]
        starts = range(len(title) - len(asked) + 1)
        return any(all(title[at + n] & lexemes for n, lexemes in enumerate(asked)) for at in starts)

    def _found(self, word: str, atom: Atom, lexemes: set[str], lang: str) -> bool:
        if atom.prefix:
            return any(each.startswith(folded(word)) for each in lexemes)
        return bool(self._asked(word, lang) & lexemes)

    def _asked(self, word: str, lang: str) -> set[str]:
        return {folded(word), *(folded(stem) for stem in self._stem(lang, word) or ())}

    def _of(self, word: str, each: Shown) -> set[str]:
        return self._asked(word, each.posting.detail.language)

    def _body(self, each: Shown) -> set[str]:
        said = each.posting.detail
        places = [part for place in each.places for part in (place.city, place.region) if part]
        rest = spelled(" ".join([*said.skills, *places, text_of(each.posting.description)]))
        telling = [word for word in rest if self._stem(said.language, word) != ()]
        return {lexeme for word in [*spelled(each.posting.title), *telling] for lexeme in self._of(word, each)}

    def _there(self, each: Shown, wanted: Wanted) -> bool:
        if not (wanted.country or wanted.region or wanted.city or wanted.near):
            return True
        return any(
            place.country in wanted.country
            or folded(place.region or "") in _folded(wanted.region)
            or folded(place.city or "") in _folded(wanted.city)
            for place in each.places
        ) or (wanted.near is not None and self._metres(each, wanted) <= round(wanted.radius_km * 1000))

    def _metres(self, each: Shown, wanted: Wanted) -> float:
        assert wanted.near is not None
        there = [(p.lat, p.lon) for p in each.places if p.lat is not None and p.lon is not None]
        return min((round(_haversine(wanted.near.lat, wanted.near.lon, *spot)) for spot in there), default=10**8)

    def _eligible(self, each: Shown, country: str) -> str:
        remote, codes = each.posting.detail.workplace == "remote", each.posting.detail.eligible_countries
        if any(place.country == country for place in each.places) or (remote and country in codes):
            return "known"
        return "unknown" if remote and not codes else ""

    def _salary(self, posting: Posting) -> int | None:
        salary = posting.detail.salary
        if salary is None or salary.currency not in self._rates.per_euro:
            return None
        amount = salary.max if salary.max is not None else salary.min
        assert amount is not None
        return round(amount * PER_YEAR[salary.unit] / self._rates.per_euro[salary.currency])

    def _paid(self, posting: Posting, wanted: Wanted) -> bool:
        salary = self._salary(posting)
        if wanted.salary_min is None:
            return wanted.salary_unknown != "exclude" or salary is not None
        if salary is None:
            return wanted.salary_unknown == "include"
        rate = self._rates.per_euro[wanted.salary_currency]
        return salary >= round(wanted.salary_min * PER_YEAR[wanted.salary_unit] / rate)


def stems_by(known: Mapping[tuple[str, str], tuple[str, ...]]) -> Stem:
    return lambda lang, word: known.get((lang, word))


def _values(each: Shown, name: str) -> set[str]:
    said = each.posting.detail
    single = {"workplace": said.workplace, "seniority": said.seniority, "language": said.language}
    if name in single:
        return {value for value in [single[name]] if value is not None}
    if name == "company":
        return {str(each.posting.company_id)}
    if name == "country":
        return {place.country for place in each.places}
    if name in ("city", "region"):
        return {f"{folded(value)}, {p.country}" for p in each.places if (value := getattr(p, name))}
    return {*said.employment_type} if name == "employment_type" else _folded(said.skills)


def _group_left_out(wanted: Wanted, but: str) -> bool:
    """Whether `but` leaves out the whole group of country, region, city and near."""
    return but in ("country", "region", "city") and bool(getattr(wanted, but))


def _folded(texts: Iterable[str]) -> set[str]:
    return {folded(text) for text in texts}


def _days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def _haversine(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    half_lat, half_lon = math.radians(lat2 - lat1) / 2, math.radians(lon2 - lon1) / 2
    along = (
        math.sin(half_lat) ** 2 + math.cos(math.radians(lat1)) * math.cos(math.radians(lat2)) * math.sin(half_lon) ** 2
    )
    return 2 * 6_371_000 * math.asin(min(1.0, math.sqrt(along)))
