"""Waits between the attempts of a task."""

from app.tasks.task import Retries


def exactly(low: float, high: float) -> float:
    """No spread."""
    return (low + high) / 2


def test_waits_double_up_to_the_longest_and_end() -> None:
    retries = Retries(most=5, first_s=10, longest_s=60)
    assert [retries.wait_s(failed, exactly) for failed in range(1, 7)] == [10, 20, 40, 60, 60, None]


def test_waits_are_spread_by_a_tenth() -> None:
    retries = Retries(first_s=100)
    waits = [retries.wait_s(1) or 0 for _ in range(100)]
    assert 90 <= min(waits) < max(waits) <= 110


def test_any_number_of_attempts_has_a_wait() -> None:
    assert Retries(most=10_000, longest_s=7).wait_s(10_000, exactly) == 7
