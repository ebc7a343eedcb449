"""Values that standards define: country codes of ISO 3166-1, from pycountry."""

from typing import Annotated

import pycountry
from msgspec import Meta

COUNTRIES: tuple[str, ...] = tuple(sorted(country.alpha_2 for country in pycountry.countries))
_KNOWN = frozenset(COUNTRIES)


def known_country(text: str) -> str:
    """`text` unchanged; raises ValueError if it is not a country code."""
    if text not in _KNOWN:
        near = f"; did you mean {text.upper()}?" if text.upper() in _KNOWN else ""
        raise ValueError(f"is not an ISO 3166-1 country code such as DE{near}")
    return text


Country = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=2,
        description="ISO 3166-1 alpha-2",
        examples=["DE"],
        extra_json_schema={"enum": list(COUNTRIES)},
        extra={"parse": known_country},
    ),
]
