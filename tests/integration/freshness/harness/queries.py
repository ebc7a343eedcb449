"""Searches of the checker: what each of them must find, and in which order."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.integration.freshness.harness.offers import CITIES, ELIGIBLE, SKILLS, WORDS, Content

Key = tuple[int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """`words` are alternatives of words that must all be there, or must not if they begin with `-`."""

    words: tuple[tuple[str, ...], ...] = ()
    country: str = ""
    company: int = 0
    company_not: int = 0
    skill: str = ""
    workplace: str = ""
    near: str = ""
    radius_km: int = 0
    eligible_from: str = ""
    salary_min: int = 0
    verified: bool = False
    sort: str = "published"

    def path(self, limit: int, total: bool = False, cursor: str = "") -> str:
        """The target of a request."""
        place = CITIES.get(self.near)
        given = {
            "q": " OR ".join(" ".join(each) for each in self.words),
            "country": self.country,
            "company": self.company,
            "company.not": self.company_not,
            "skill": self.skill,
            "workplace": self.workplace,
            "near": f"{place[1]},{place[2]}" if place else "",
            "radius_km": self.radius_km,
            "eligible_from": self.eligible_from,
            "salary_min": self.salary_min,
            "salary_currency": "EUR" if self.salary_min else "",
            "verified": "true" if self.verified else "",
            "sort": self.sort,
            "limit": limit,
            "total": "true" if total else "",
            "cursor": cursor,
        }
        return "/api/v1/jobs?" + urlencode({name: value for name, value in given.items() if value})

    def matches(self, content: Content, company: int) -> bool:
        """Whether an open posting is found, wherever on the pages, if its company is verified where that is asked."""
        return (
            (not self.words or any(_all(each, content.texts) for each in self.words))
            and self.country in ("", *content.countries)
            and self.company in (0, company)
            and self.company_not != company
            and self.skill in ("", *content.skills)
            and self.workplace in ("", content.workplace)
            and (not self.near or self._metres(content) <= self.radius_km * 1000)
            and (not self.eligible_from or self._known(content) or _anywhere(content))
            and (not self.salary_min or (content.salary or 0) >= self.salary_min)
        )

    def key(self, content: Content, published_us: int, number: int) -> Key:
        """What results are sorted by; `published_us` is the time of the first opening, `number` the id."""
        known = not self.eligible_from or self._known(content)
        newest = (-published_us, -number)
        keys: dict[str, Key] = {
            "published": newest,
            "relevance": (not self._titled(content), *newest),
            "salary": (content.salary is None, -(content.salary or 0), *newest),
            "distance": (self._metres(content), number),
        }
        return (not known, *keys[self.sort])

    def _titled(self, content: Content) -> bool:
        wanted = [[word for word in each if not word.startswith("-")] for each in self.words]
        return any(
            _all(each, content.texts) and set(positive) <= set(content.words)
            for each, positive in zip(self.words, wanted, strict=True)
        )

    def _known(self, content: Content) -> bool:
        remote = content.workplace == "remote"
        return self.eligible_from in content.countries or (remote and self.eligible_from in content.eligible)

    def _metres(self, content: Content) -> float:
        return min((_metres(self.near, city) for city in content.cities), default=math.inf) if self.near else 0.0


def queries() -> list[Query]:
    """Searches without companies, most of which find a few of some hundred postings."""
    return list(_queries())


def company_query(company: int, chance: random.Random) -> Query:
    """One that names a company."""
    if chance.random() < 0.8:
        return Query(company=company, sort=chance.choice(("published", "salary")))
    return Query(company_not=company, words=((chance.choice(WORDS),),), country="DE", sort="published")


def _queries() -> Iterator[Query]:
    yield Query()
    for first, second in zip(WORDS, (*WORDS[1:], WORDS[0]), strict=True):
        yield Query(words=((first, second),), sort="relevance")
        yield Query(words=((first,),), country="FR", sort="published")
    yield Query(words=(("pilot", "-nurse"),), workplace="hybrid", sort="relevance")
    yield Query(words=(("welder", "miner"), ("baker", "python")), sort="relevance")
    yield Query(words=(("berlin",),), skill="Python", sort="published")
    for country in ("DE", "FR", "AT", "SE"):
        yield Query(country=country, skill="Sales")
        yield Query(country=country, workplace="onsite", sort="salary")
    for skill in SKILLS:
        yield Query(skill=skill, salary_min=50_000, sort="salary")
    yield Query(verified=True)
    yield Query(verified=True, country="DE", words=(("miner",),), sort="relevance")
    yield Query(near="Berlin", radius_km=10)
    yield Query(near="Berlin", radius_km=100, workplace="remote", sort="distance")
    yield Query(near="Lyon", radius_km=500, skill="German", sort="distance")
    for country in ELIGIBLE:
        yield Query(eligible_from=country, skill="Forklift")
        yield Query(eligible_from=country, words=(("nurse",),), sort="relevance")


def _all(words: tuple[str, ...], texts: frozenset[str]) -> bool:
    return all((word.removeprefix("-") in texts) != word.startswith("-") for word in words)


def _anywhere(content: Content) -> bool:
    return content.workplace == "remote" and not content.eligible


def _metres(one: str, other: str) -> float:
    """Cities are so far apart that rounding cannot change their order."""
    (_, lat1, lon1), (_, lat2, lon2) = CITIES[one], CITIES[other]
    half_lat, half_lon = math.radians(lat2 - lat1) / 2, math.radians(lon2 - lon1) / 2
    along = (
        math.sin(half_lat) ** 2 + math.cos(math.radians(lat1)) * math.cos(math.radians(lat2)) * math.sin(half_lon) ** 2
    )
    return round(2 * 6_371_000 * math.asin(min(1.0, math.sqrt(along))))
