"""The rules find each violation, and nothing in a good record."""

import pytest

from tests.integration.tasks.campaign.record import Event, violations

GOOD = [
    Event(1, "sent", "a"),
    Event(2, "committed", "a"),
    Event(3, "began", "a", 7),
    Event(4, "killed", pid=7),
    Event(5, "began", "a", 8),
    Event(6, "ended", "a", 8),
    Event(7, "rolled-back", "b"),
]
PAUSED = [
    Event(5.1, "paused", pid=8),
    Event(5.2, "began", "a", 9),
    Event(5.9, "resumed", pid=8),
    Event(7, "ended", "a", 9),
]


def without(kind: str) -> list[Event]:
    return [each for each in GOOD if each.kind != kind]


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (GOOD, []),
        (without("ended"), ["a was committed and never done"]),
        (without("killed"), ["a ran twice at once"]),
        ([*GOOD, Event(8, "began", "b", 7)], ["b was rolled back and done"]),
        ([Event(3.5, "sent", "a"), *without("sent")], ["a began before its commit"]),
        (sorted([*GOOD, *PAUSED], key=lambda it: it.at), []),
    ],
)
def test_each_broken_promise_is_found(events: list[Event], found: list[str]) -> None:
    assert violations(events, silent_s=1.0) == found
