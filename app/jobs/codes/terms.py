"""The number of each filterable value, with its kind in the upper bits, so that one index serves all filters.

Only skills, regions and cities need the dictionary of the database: all others are computed from the value itself.
"""

import functools
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum

from app.jobs.codes.vocabulary import EMPLOYMENT_TYPES, SENIORITIES, WORKPLACES

KIND_BITS = 27
NUMBERS = 1 << KIND_BITS
FINE, COARSE = 4, 1
"""Cells of the grid in a degree."""

DAY_S = 86_400
COARSE_FROM_KM = 60.0
KM_IN_DEGREE = 111.0
"""Slightly below the real value, so that no place within the radius is missed."""


class Kind(IntEnum):
    """The upper four bits; the order never changes, as the numbers are stored."""

    EMPLOYMENT_TYPE = 1
    WORKPLACE = 2
    SENIORITY = 3
    COUNTRY = 4
    LANGUAGE = 5
    COMPANY = 6
    ELIGIBLE = 7
    SKILL = 8
    REGION = 9
    CITY = 10
    FINE_CELL = 11
    COARSE_CELL = 12
    SLICE = 13


ANYWHERE = Kind.ELIGIBLE << KIND_BITS
"""The term of remote postings without eligible countries."""

TERMS_KEPT = 4_096
"""Values of which the term is remembered; each posting has some of the same."""

_ENUMERATED = {
    Kind.EMPLOYMENT_TYPE: EMPLOYMENT_TYPES,
    Kind.WORKPLACE: WORKPLACES,
    Kind.SENIORITY: SENIORITIES,
}


@functools.lru_cache(TERMS_KEPT)
def term(kind: Kind, value: str | int) -> int:
    """The number of a value of any kind that needs no dictionary: an enumerated one, a code, an id or a day.

    Raises OverflowError for an id that has none.
    """
    if not has_term(kind, value):
        raise OverflowError(f"{kind.name} {value} has no term")
    return (kind << KIND_BITS) + _number(kind, value)


def has_term(kind: Kind, value: str | int) -> bool:
    """Whether `term` has a number for the value; greater ids would collide with another kind."""
    return 0 <= _number(kind, value) < NUMBERS


def value_of(number: int) -> str:
    """The value of a number that `term` gives."""
    kind, rest = Kind(number >> KIND_BITS), number % NUMBERS
    if kind in _ENUMERATED:
        return _ENUMERATED[kind][rest]
    if kind in (Kind.COUNTRY, Kind.ELIGIBLE):
        return chr(65 + rest // 26) + chr(65 + rest % 26)
    if kind is Kind.LANGUAGE:
        return chr(97 + rest // 26) + chr(97 + rest % 26)
    return str(rest)


def bounds(kind: Kind) -> tuple[int, int]:
    """The first and the last number of a kind."""
    return kind << KIND_BITS, ((kind + 1) << KIND_BITS) - 1


def day_of(moment: datetime) -> int:
    """The day of publication that a slice stands for."""
    return int(moment.astimezone(UTC).timestamp()) // DAY_S


def cells_at(lat: float, lon: float) -> list[int]:
    """The cell of each size that a place lies in."""
    return [_cell(lat, lon, FINE), _cell(lat, lon, COARSE)]


def cells_around(lat: float, lon: float, km: float) -> list[int]:
    """The cells that contain every place within `km`; the grid ends at the poles and wraps at the 180th meridian."""
    size = FINE if km <= COARSE_FROM_KM else COARSE
    high = km / KM_IN_DEGREE
    highest = abs(lat) + high
    wide = min(high / math.cos(math.radians(highest)), 180.0) if highest < 90 else 180.0
    kind = Kind.FINE_CELL if size == FINE else Kind.COARSE_CELL
    rows = _steps(max(lat - high, -90.0) + 90, min(lat + high, 90.0) + 90, size)
    columns = {column % (360 * size) for column in _steps(lon - wide + 180, lon + wide + 180, size)}
    return sorted({(kind << KIND_BITS) + row * 360 * size + column for row in rows for column in columns})


def _steps(first: float, last: float, size: int) -> Iterator[int]:
    yield from range(math.floor(first * size), math.floor(last * size) + 1)


def _cell(lat: float, lon: float, size: int) -> int:
    kind = Kind.FINE_CELL if size == FINE else Kind.COARSE_CELL
    column = math.floor((lon + 180) * size) % (360 * size)
    return (kind << KIND_BITS) + math.floor((lat + 90) * size) * 360 * size + column


def _number(kind: Kind, value: str | int) -> int:
    if isinstance(value, int):
        return value
    if kind in _ENUMERATED:
        return _ENUMERATED[kind].index(value)
    first = 65 if kind in (Kind.COUNTRY, Kind.ELIGIBLE) else 97
    return (ord(value[0]) - first) * 26 + ord(value[1]) - first
