"""What counts as growth: a slope that outliers do not move, after the warm-up, within an allowance."""

import random

import pytest

from loadtest.soak.flatness import Allowance, slope, thinned, trend

FIVE_PERCENT = Allowance(0.05, 0.0)


def test_slope_is_that_of_a_line() -> None:
    assert slope([(at, 3 + 0.5 * at) for at in range(20)]) == pytest.approx(0.5)


def test_outliers_do_not_move_the_slope() -> None:
    points = [(float(at), 100.0 + (900.0 if at in (3, 90, 95) else 0.0)) for at in range(100)]
    assert slope(points) == 0


def test_leak_is_found_in_noise() -> None:
    chance = random.Random(1)
    leaking = [(float(at), 100 + 0.1 * at + chance.gauss(0, 3)) for at in range(400)]
    steady = [(float(at), 100 + chance.gauss(0, 3)) for at in range(400)]
    for points, flat in ((leaking, False), (steady, True)):
        found = trend(points, 80)
        assert found is not None
        assert found.flat(FIVE_PERCENT) is flat


def test_warm_up_is_left_out() -> None:
    points = [(float(at), min(at, 20) * 5.0) for at in range(100)]
    found = trend(points, 20)
    assert found is not None
    assert (found.level, found.growth) == (100.0, 0.0)


def test_series_that_falls_is_flat() -> None:
    found = trend([(float(at), 100.0 - at) for at in range(50)], 0)
    assert found is not None
    assert found.growth == -49
    assert found.flat(Allowance(0.0, 0.0))


def test_growth_below_the_least_is_allowed() -> None:
    assert Allowance(0.05, 4.0).of(10.0) == 4.0
    assert Allowance(0.05, 4.0).of(1000.0) == 50.0


def test_too_few_points_are_no_trend() -> None:
    assert trend([(0.0, 1.0), (10.0, 2.0), (20.0, 3.0)], 5) is None


def test_thinned_series_keeps_its_course() -> None:
    points = [(float(at), float(at)) for at in range(1000)]
    kept = thinned(points, 300)
    assert len(kept) == 300
    assert kept[0][0] < 4
    assert kept[-1][0] > 995
    assert slope(kept[::10]) == pytest.approx(1.0)
    assert thinned(points[:5], 300) == points[:5]
