"""When the searches of an account are due: at its hour in its time zone, and not too often."""

from datetime import UTC, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Frequency = Literal["instant", "daily", "weekly"]

PAUSE = timedelta(minutes=5)
"""The least time between two digests of an account."""

GLANCE = timedelta(hours=1)
"""How often an account with instant searches is looked at though no match has asked for it."""

MONDAY = 0


def next_due(frequency: Literal["daily", "weekly"], now: datetime, zone: str, hour: int) -> datetime:
    """The first time after `now` at which it is `hour` o'clock in `zone`, on a Monday if it is weekly; in UTC."""
    local = now.astimezone(ZoneInfo(zone))
    for days in range(9):
        day = local.date() + timedelta(days=days)
        found = datetime.combine(day, time(hour), ZoneInfo(zone)).astimezone(UTC)
        if found > now and (frequency == "daily" or day.weekday() == MONDAY):
            return found
    raise AssertionError("every week has a Monday")
