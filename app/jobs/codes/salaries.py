"""Converts salaries to yearly amounts in one currency, so that they can be compared."""

import functools
import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from app.errors import ConfigError
from app.jobs.codes.vocabulary import currencies

REFERENCE = "EUR"
HOURS_PER_YEAR = 2080
PER_YEAR = {"hour": HOURS_PER_YEAR, "day": 260, "week": 52, "month": 12, "year": 1}
SHIPPED = Path(__file__).with_name("rates.json")
GREATEST = 2_000_000_000
"""The greatest stored amount, for a column of four bytes."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How many units of each currency one euro was worth on the day `of`."""

    of: str
    per_euro: dict[str, float]

    def by_year(self, amount: float, currency: str, unit: str) -> int:
        """`amount` in euros a year, rounded."""
        return min(round(amount * PER_YEAR[unit] / self.per_euro[currency]), GREATEST)


class _Given(msgspec.Struct):
    of: date
    per_euro: dict[str, float]


@functools.cache
def shipped_rates() -> Rates:
    """The rates that are part of the service."""
    return rates_from(SHIPPED)


def rates_in_use(path: Path | None) -> Rates:
    """Those of the file that the setting names, else the shipped ones. Raises ConfigError."""
    return rates_from(path) if path else shipped_rates()


def rates_from(path: Path) -> Rates:
    """The rates of a file: `of` is their day, `per_euro` the units of each currency. Raises ConfigError."""
    try:
        given = msgspec.json.decode(path.read_bytes(), type=_Given)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"RATES_FILE: {path}: {error}") from None
    for currency, rate in given.per_euro.items():
        if currency not in currencies():
            raise ConfigError(f"RATES_FILE: {path}: {currency} is no currency of ISO 4217")
        if not (rate > 0 and math.isfinite(rate)):
            raise ConfigError(f"RATES_FILE: {path}: the rate of {currency} must be above 0")
    return Rates(given.of.isoformat(), {**given.per_euro, REFERENCE: 1.0})
