"""Names of time zones."""

import zoneinfo
from functools import cache


@cache
def _names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def time_zone(text: str) -> str:
    """`text` if it names a time zone; raises ValueError."""
    if text not in _names():
        raise ValueError("is not a time zone such as Europe/Berlin")
    return text
