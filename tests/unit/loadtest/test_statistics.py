"""Percentiles and Welch's t."""

import random

import pytest

from loadtest.statistics import cropped, percentile, welch_t


def test_the_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]


def test_t_is_small_for_one_source_and_great_for_two() -> None:
    source = random.Random(7)
    first, second, later = ([source.gauss(mean, 1) for _ in range(2000)] for mean in (5.0, 5.0, 5.3))
    assert abs(welch_t(first, second)) < 4.5 < abs(welch_t(first, later))


def test_t_agrees_with_a_value_computed_by_hand() -> None:
    assert welch_t([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx(-2 / (5 / 3) ** 0.5)


def test_cropping_drops_the_slowest_of_both_together() -> None:
    assert cropped([1.0, 2.0, 9.0], [1.0, 3.0, 8.0], 0.7) == ([1.0, 2.0], [1.0, 3.0, 8.0])
