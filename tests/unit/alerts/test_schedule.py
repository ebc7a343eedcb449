"""When daily and weekly searches are due."""

from datetime import UTC, datetime

import pytest

from app.alerts.digests.schedule import next_due

UTC_TEXT = "%Y-%m-%d %H:%M"


def at(text: str) -> datetime:
    return datetime.strptime(text, UTC_TEXT).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("frequency", "now", "zone", "hour", "expected"),
    [
        ("daily", "2026-11-29 07:59", "UTC", 8, "2026-11-29 08:00"),
        ("daily", "2026-11-29 08:00", "UTC", 8, "2026-11-30 08:00"),
        ("daily", "2026-11-29 06:30", "Europe/Berlin", 8, "2026-11-29 07:00"),
        ("daily", "2026-11-29 23:30", "Pacific/Auckland", 8, "2026-11-30 19:00"),
        ("daily", "2026-03-28 12:00", "Europe/Berlin", 8, "2026-03-29 06:00"),  # summer time begins
        ("daily", "2026-03-28 12:00", "Europe/Berlin", 2, "2026-03-29 01:00"),  # an hour that does not exist
        ("daily", "2026-10-24 12:00", "Europe/Berlin", 2, "2026-10-25 00:00"),  # an hour that exists twice
        ("daily", "2026-10-25 00:30", "Europe/Berlin", 2, "2026-10-26 01:00"),
        ("weekly", "2026-11-29 12:00", "UTC", 8, "2026-11-30 08:00"),
        ("weekly", "2026-11-30 08:00", "UTC", 8, "2026-12-07 08:00"),
        ("weekly", "2026-11-30 07:59", "UTC", 8, "2026-11-30 08:00"),
        ("weekly", "2026-11-29 20:00", "Asia/Tokyo", 7, "2026-11-29 22:00"),
    ],
)
def test_next_time_is_the_hour_of_the_account(
    frequency: str, now: str, zone: str, hour: int, expected: str
) -> None:  # fmt: skip
    assert next_due(frequency, at(now), zone, hour) == at(expected)  # type: ignore[arg-type]
