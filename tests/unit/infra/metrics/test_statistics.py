"""Percentiles from buckets."""

import pytest

from app.infra.metrics.statistics import BUCKETS, RouteStatistics


def statistics(*seconds: float) -> RouteStatistics:
    buckets = [0] * (len(BUCKETS) + 1)
    for each in seconds:
        buckets[next((i for i, bound in enumerate(BUCKETS) if each <= bound), len(BUCKETS))] += 1
    return RouteStatistics("GET", "/", (0, len(seconds), 0, 0, 0), sum(seconds), buckets)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("unit", [0.000_1, 0.001, 0.01])
def test_a_percentile_is_within_the_width_of_a_bucket(share: float, unit: float) -> None:
    samples = [unit * n / 100 for n in range(1, 1001)]
    exact = samples[int(share * 1000) - 1]
    assert exact / 1.6 <= statistics(*samples).percentile(share) <= exact * 1.6


def test_slow_requests_do_not_move_the_median() -> None:
    assert statistics(*[0.002] * 99, 9.0).percentile(0.5) <= 0.0025


def test_beyond_the_last_bound_a_percentile_is_that_bound() -> None:
    assert statistics(60.0, 60.0).percentile(0.99) == BUCKETS[-1]


def test_no_samples_give_zero_average_and_percentiles() -> None:
    assert (statistics().average_seconds, statistics().percentile(0.99)) == (0.0, 0.0)


def test_last_cumulative_bucket_counts_all_samples() -> None:
    bounds = list(statistics(0.000_01, 0.003, 60.0).cumulative_buckets())
    assert bounds[0] == (BUCKETS[0], 1)
    assert bounds[-2:] == [(BUCKETS[-1], 2), (float("inf"), 3)]
