"""What the checker's postings say: few words, skills, places and salaries, so that every search finds some of them."""

import itertools
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

WORDS = ("welder", "pilot", "nurse", "baker", "miner", "tailor")
SKILLS = ("Python", "Forklift", "German", "Sales")
CITIES: Mapping[str, tuple[str, float, float]] = {
    "Berlin": ("DE", 52.5244, 13.4105),
    "Potsdam": ("DE", 52.3989, 13.0657),
    "Paris": ("FR", 48.8534, 2.3488),
    "Lyon": ("FR", 45.7485, 4.8467),
    "Graz": ("AT", 47.0667, 15.45),
    "Malmo": ("SE", 55.6059, 13.0007),
}
ELIGIBLE = ("DE", "FR", "AT")
SALARIES = (None, 30_000, 40_000, 50_000, 60_000)
LONG_S, SHORT_S = 86_400.0, (0.5, 3.0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TWINS = 100
"""Numbers of near-duplicates differ by less; they share the title, and their `openings` tell them apart."""
_numbers = itertools.count(TWINS, TWINS)


@dataclass(frozen=True, slots=True)
class Content:
    """One version of an open posting; `number` names the posting.

    `until` is its end by CLOCK_MONOTONIC in ns, `ends` the same as requests say it.
    """

    number: int
    version: int
    words: tuple[str, ...]
    skills: tuple[str, ...]
    cities: tuple[str, ...]
    workplace: str
    eligible: tuple[str, ...]
    salary: int | None
    until: int
    ends: datetime

    @property
    def title(self) -> str:
        return " ".join((f"o{self.number // TWINS} v{self.version}", *self.words))

    @property
    def fingerprint(self) -> "Content":
        """What near-duplicates have in common."""
        return replace(self, number=self.number // TWINS, cities=(), until=0, ends=EPOCH)

    @property
    def countries(self) -> frozenset[str]:
        return frozenset(CITIES[city][0] for city in self.cities)

    @property
    def texts(self) -> frozenset[str]:
        """The words by which it is found."""
        return frozenset((*self.words, *(each.lower() for each in (*self.skills, *self.cities))))

    def body(self) -> dict[str, Any]:
        """As a request says it; the same values as an answer shows, but for `description` and `language`."""
        return {
            "title": self.title,
            "description": "<p>A posting of the tests.</p>",
            "language": "en",
            "skills": list(self.skills),
            "places": places_in(self.cities),
            "openings": self.number % TWINS + 1,
            "workplace": self.workplace,
            "eligible_countries": list(self.eligible),
            "salary": None
            if self.salary is None
            else {"currency": "EUR", "unit": "year", "min": None, "max": self.salary},
            "valid_through": self.ends.isoformat(),
        }

    def differs(self, item: Mapping[str, Any]) -> list[str]:
        """The fields in which an answer shows something else than this version."""
        said = self.body()
        shown = {**item, "valid_through": datetime.fromisoformat(item["valid_through"]).isoformat()}
        names = ("title", "skills", "places", "openings", "workplace", "eligible_countries", "salary", "valid_through")
        return [name for name in names if shown[name] != said[name]]


def new_content(chance: random.Random, short: bool = False) -> Content:
    """The first version of a new posting; a `short` one ends within seconds."""
    seconds = chance.uniform(*SHORT_S) if short else LONG_S
    blank = Content(next(_numbers), 0, (), (), (), "onsite", (), None, 0, EPOCH)
    return moved(edited(lasting(blank, seconds), chance), chance)


def twin_of(content: Content, chance: random.Random, short: bool = False) -> Content:
    """A near-duplicate, which may be elsewhere, and may end at the same time."""
    number = content.number // TWINS * TWINS + chance.randrange(1, TWINS)
    twin = relocated(replace(content, number=number), chance)
    return twin if chance.random() < 0.2 else lasting(twin, chance.uniform(*SHORT_S) if short else LONG_S)


def lasting(content: Content, seconds: float = LONG_S) -> Content:
    """The same with an end so many seconds from now."""
    until = time.monotonic_ns() + int(seconds * 1e9)
    return replace(content, until=until, ends=EPOCH + timedelta(microseconds=(until + _wall_ahead_ns()) // 1000))


def edited(content: Content, chance: random.Random) -> Content:
    """The next version with other words, skills and salary."""
    return replace(
        content,
        version=content.version + 1,
        words=tuple(chance.sample(WORDS, 2)),
        skills=tuple(chance.sample(SKILLS, chance.choice((0, 1, 2)))),
        salary=chance.choice(SALARIES),
    )


def moved(content: Content, chance: random.Random) -> Content:
    """The next version elsewhere."""
    workplace = chance.choice(("onsite", "hybrid", "remote", "remote"))
    return replace(
        relocated(content, chance),
        version=content.version + 1,
        workplace=workplace,
        eligible=tuple(sorted(chance.sample(ELIGIBLE, chance.choice((0, 0, 1))))) if workplace == "remote" else (),
    )


def relocated(content: Content, chance: random.Random) -> Content:
    """The same elsewhere, which is as near a duplicate of others as before."""
    return replace(content, cities=tuple(chance.sample(list(CITIES), chance.choice((0, 1, 1, 2)))))


def restored(content: Content, first: Content) -> Content:
    """With the words and values of an earlier version, but where and as long as now."""
    return replace(first, cities=content.cities, until=content.until, ends=content.ends)


def number_of(item: Mapping[str, Any]) -> int:
    """The posting that an answer shows."""
    return int(item["title"].split(maxsplit=1)[0].removeprefix("o")) * TWINS + int(item["openings"]) - 1


def places_in(cities: Iterable[str]) -> list[dict[str, Any]]:
    """As requests and answers say them."""
    return [_place(city) for city in cities]


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _place(city: str) -> dict[str, Any]:
    country, lat, lon = CITIES[city]
    return {"country": country, "region": None, "city": city, "lat": lat, "lon": lon}


def _wall_ahead_ns() -> int:
    """The difference between the wall clock and CLOCK_MONOTONIC, of several attempts the least interrupted one."""
    tries = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(5)]
    before, wall, after = min(tries, key=lambda each: each[2] - each[0])
    return wall - (before + after) // 2
