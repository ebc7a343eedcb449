"""Made-up postings: posting n of a seed is always the same, but for its times."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

import msgspec

from app.jobs.codes.salaries import PER_YEAR, shipped_rates
from app.jobs.content import new_posting
from app.jobs.schemas import Apply, EmploymentType, NewJob, Place, Posting, Salary, Seniority, Unit
from app.local.seed.cities import region_of, some_city, some_country
from app.local.seed.companies import Company, made_up_companies, sizes
from app.local.seed.texts import Occupation, language, occupations

TOGETHER = 1_000
"""Near-duplicates are of the same thousand."""

TWINS = 0.05
_EMPLOYMENT: tuple[tuple[EmploymentType, ...], ...] = (
    ("full_time",), ("part_time",), ("full_time", "part_time"), ("temporary",), ("contract",), ("other",)
)  # fmt: skip
_EMPLOYMENT_SHARES = list(accumulate((68, 13, 7, 5, 5, 2)))
_SENIORITY: tuple[Seniority | None, ...] = (None, "mid", "entry", "senior", "lead", "internship", "executive")
_SENIORITY_SHARES = list(accumulate((38, 22, 16, 14, 5, 4, 1)))
_PAID: dict[Seniority | None, float] = {
    None: 1.0, "internship": 0.4, "entry": 0.8, "mid": 1.0, "senior": 1.3, "lead": 1.5, "executive": 2.2
}  # fmt: skip
_OCCUPATION_SHARES = list(accumulate(1 / (rank + 6) for rank in range(len(occupations()))))
_UNITS: tuple[Unit, ...] = ("year", "month", "hour", "day")
_STEPS = {"hour": 0.5, "day": 10, "month": 50, "year": 1_000}


@dataclass(frozen=True, slots=True)
class Period:
    """When postings are published, the first at its beginning and the last at its end; they stay open after `now`."""

    since: datetime
    until: datetime
    now: datetime


class Catalogue:
    """The postings 1 to `jobs` of a seed with their companies."""

    def __init__(self, seed: int, jobs: int, period: Period) -> None:
        self.seed, self.jobs, self._period = seed, jobs, period
        self.companies = made_up_companies(seed, jobs)
        self._sizes = sizes(len(self.companies))

    def clusters(self, first: int, last: int) -> Iterator[tuple[Company, list[Posting]]]:
        """The postings from the first to the last, in the order of publication, opened and without ids.

        Those that differ in nothing but places come together. `first` is the first of a thousand.
        """
        company, new = self.companies[0], None
        members: list[Posting] = []
        for number in range(first, last + 1):
            chance = random.Random(f"posting {self.seed} {number}")
            if new is not None and number % TOGETHER != 1 and chance.random() < TWINS:
                new = msgspec.structs.replace(new, places=_places(chance, company))
            else:
                if members:
                    yield company, members
                company = chance.choices(self.companies, cum_weights=self._sizes)[0]
                new, members = made_up(chance, company), []
            members.append(self._published(chance, company, new, number))
        yield company, members

    def _published(self, chance: random.Random, company: Company, new: NewJob, number: int) -> Posting:
        period = self._period
        at = period.since + (period.until - period.since) * ((number - 1 + chance.random()) / self.jobs)
        until = (period.now + timedelta(days=1 + min(chance.expovariate(1 / 25), 88))).replace(microsecond=0)
        made = new_posting(company.number, msgspec.structs.replace(new, valid_through=until), period.now)
        return msgspec.structs.replace(
            made, state="open", version=2, published_at=at, first_seen_at=at, content_changed_at=at
        )


def made_up(chance: random.Random, company: Company) -> NewJob:
    """What a company could offer."""
    occupation = chance.choices(occupations(), cum_weights=_OCCUPATION_SHARES)[0]
    spoken = language("en" if chance.random() < 0.1 else company.language)
    code = "en" if spoken is language("en") else company.language
    seniority = chance.choices(_SENIORITY, cum_weights=_SENIORITY_SHARES)[0]
    places = _places(chance, company)
    skills = tuple(chance.sample(occupation.skills, min(chance.choice((0, 2, 3, 4, 5, 6)), len(occupation.skills))))
    name = occupation.titles[code]
    named = {"title": name, "company": company.name, "city": str(places[0].city)}
    fields: dict[str, Any] = _workplace(chance, occupation, company)
    return NewJob(
        title=spoken.title(chance, name, seniority),
        description=spoken.description(chance, named, skills or occupation.skills[:3]),
        employment_type=chance.choices(_EMPLOYMENT, cum_weights=_EMPLOYMENT_SHARES)[0],
        seniority=seniority,
        places=places,
        salary=_salary(chance, occupation, company, seniority),
        skills=skills,
        language=code,
        openings=1 if chance.random() < 0.85 else chance.randrange(2, 10),
        apply=_apply(chance, company),
        **fields,
    )


def _places(chance: random.Random, company: Company) -> tuple[Place, ...]:
    """Mostly where the company is, else elsewhere in its country, at times abroad."""
    found = []
    for _ in range(chance.choices((1, 2, 3, 5), (90, 6, 3, 1))[0]):
        country = company.country.code if chance.random() < 0.93 else some_country(chance).code
        here = country == company.country.code and chance.random() < 0.4
        city = company.city if here else some_city(chance, country)
        found.append(Place(country, region_of(country, city), city))
    return tuple(dict.fromkeys(found))


def _workplace(chance: random.Random, occupation: Occupation, company: Company) -> dict[str, Any]:
    drawn = chance.random()
    if drawn >= occupation.remote:
        return {"workplace": "hybrid" if drawn < 3 * occupation.remote else "onsite"}
    others = [] if chance.random() < 0.7 else [some_country(chance).code for _ in range(4)]
    known = chance.random() < 0.6
    return {"workplace": "remote", "eligible_countries": (company.country.code, *others) if known else ()}


def _salary(
    chance: random.Random, occupation: Occupation, company: Company, seniority: Seniority | None
) -> Salary | None:
    if chance.random() < 0.45:
        return None
    worker = occupation.pay < 40_000
    unit = chance.choices(_UNITS, (30, 30, 40, 0) if worker else (75, 17, 5, 3))[0]
    currency = company.country.currency
    year = occupation.pay * company.country.pay * _PAID[seniority] * chance.lognormvariate(0, 0.2)
    amount = year * shipped_rates().per_euro[currency] / PER_YEAR[unit]
    step = _STEPS[unit]
    least = float(max(round(amount / step) * step, step))
    most = max(float(round(amount * chance.uniform(1, 1.4) / step) * step), least)
    said = chance.random()
    return Salary(currency, unit, None if said < 0.1 else least, None if 0.1 <= said < 0.2 else most)


def _apply(chance: random.Random, company: Company) -> Apply:
    drawn = chance.random()
    if drawn < 0.6:
        return Apply()
    if drawn < 0.9:
        return Apply("url", f"https://{company.slug}.example/jobs/{chance.randrange(10**6)}")
    return Apply("email", f"jobs@{company.slug}.example")
