"""Made-up companies: a few large ones and many small ones, as in the real world."""

import random
from dataclasses import dataclass
from itertools import accumulate

from faker import Faker

from app.companies.service import OWNED_MAX, slugs_of
from app.local.seed.cities import Country, some_city, some_country
from app.local.seed.texts import faker_of

JOBS_PER_COMPANY = 20
LEAST = 5
_NOT_STEEPER = 10
"""The share of the largest companies grows no further from this rank on."""


@dataclass(frozen=True, slots=True)
class Company:
    """`number` counts from 0."""

    number: int
    name: str
    slug: str
    country: Country
    city: str
    language: str
    verified: bool


def made_up_companies(seed: int, jobs: int) -> list[Company]:
    """As many as `jobs` postings need; company n of a seed is always the same."""
    fakers: dict[str, Faker] = {}
    found = []
    for number in range(max(jobs // JOBS_PER_COMPANY, LEAST)):
        chance = random.Random(f"company {seed} {number}")
        country = some_country(chance)
        language = chance.choice(country.languages)
        faker = fakers.get(language) or fakers.setdefault(language, faker_of(language, seed))
        faker.seed_instance(f"{seed} {number}")
        name = faker.company()
        slug = f"{next(iter(slugs_of(name)))[:40].strip('-')}-{seed}-{number + 1}"
        city = some_city(chance, country.code)
        found.append(Company(number, name, slug, country, city, language, chance.random() < 0.3))
    return found


def sizes(companies: int) -> list[float]:
    """Weights for `random.choices`, running: company n has about 1/n of the postings of the first (Zipf)."""
    return list(accumulate(1 / (rank + _NOT_STEEPER) for rank in range(companies)))


def owner_of(company: Company, seed: int) -> str:
    """The address of the account that owns it."""
    return f"recruiter{seed}-{company.number // OWNED_MAX + 1}@example.com"
