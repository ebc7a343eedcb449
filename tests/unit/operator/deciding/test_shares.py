"""Shares follow demand and are equal without it; few pools change at a time."""

from random import Random

import pytest

from jobfinder_operator.deciding.shares import Claim, Demands, Rules, divide, measure, targets
from jobfinder_operator.deciding.snapshot import PodSeen, Reading


def claims(*demands: float | None, size: int = 1) -> list[Claim]:
    return [Claim(f"pod-{number}", size, demand) for number, demand in enumerate(demands)]


def read(at: float, busy: float, waited: float = 0.0, waiting: int = 0, active: int = 0) -> PodSeen:
    reading = Reading(at, "s", 5, 5, active, active, waiting, busy_seconds=busy, wait_seconds=waited)
    return PodSeen("a", "a", reading=reading)


def test_without_a_signal_shares_are_equal() -> None:
    assert divide(claims(None, None, None), 12, 1, 32) == {"pod-0": 4, "pod-1": 4, "pod-2": 4}
    assert divide(claims(0.0, 0.0, 0.0), 13, 1, 32) == {"pod-0": 5, "pod-1": 4, "pod-2": 4}


def test_pods_with_more_demand_get_more_of_the_rest() -> None:
    shares = divide(claims(9.0, 1.0), 20, 1, 32)
    assert shares["pod-0"] > 13
    assert shares["pod-1"] >= 3


def test_too_much_demand_is_shared_in_proportion() -> None:
    assert divide(claims(30.0, 10.0), 20, 1, 32) == {"pod-0": 15, "pod-1": 5}


def test_pod_with_unknown_demand_counts_as_average() -> None:
    shares = divide(claims(4.0, 4.0, None), 18, 1, 32)
    assert set(shares.values()) == {6}


@pytest.mark.parametrize("seed", range(50))
def test_shares_keep_their_limits_and_use_up_the_total(seed: int) -> None:
    random = Random(seed)
    number, floor = random.randint(1, 9), random.randint(1, 3)
    most = floor + random.randint(0, 9)
    total = random.randint(floor * number, 60)
    some = claims(*(random.choice((None, 0.0, random.uniform(0, 20))) for _ in range(number)))
    shares = divide(some, total, floor, most)
    assert all(floor <= share <= most for share in shares.values())
    assert sum(shares.values()) == min(total, most * number)
    assert shares == divide(list(reversed(some)), total, floor, most)


def test_pod_with_enough_keeps_its_size() -> None:
    content = [Claim("a", 9, 2.0), Claim("b", 3, 2.0)]
    assert targets(content, Rules(12, 1, 32, 10)) == ({"a": 9, "b": 3}, 0)


def test_busy_pod_gets_connections_of_an_idle_one() -> None:
    sizes, moved = targets([Claim("a", 6, 1.0), Claim("b", 6, 6.0)], Rules(12, 1, 32, 10))
    assert sizes["b"] > 7
    assert sum(sizes.values()) == 12
    assert moved == 1


def test_demand_changes_at_most_the_allowed_number_of_pools() -> None:
    pressed = [Claim("a", 6, 1.0), Claim("b", 6, 6.0)]
    assert targets(pressed, Rules(12, 1, 32, moves=0)) == ({"a": 6, "b": 6}, 0)


def test_small_gain_changes_no_pool() -> None:
    assert targets([Claim("a", 11, 9.0), Claim("b", 9, 9.0)], Rules(20, 1, 32, 10))[0] == {"a": 11, "b": 9}


@pytest.mark.parametrize("other", [8.0, 10.0, 12.0])
def test_last_connection_does_not_go_to_and_fro(other: float) -> None:
    """Two pods that both want more share an odd number: the one that has more keeps it while demands are similar."""
    pressed = [Claim("a", 2, 10.0), Claim("b", 3, other)]
    assert targets(pressed, Rules(5, 1, 32, 10)) == ({"a": 2, "b": 3}, 0)


def test_a_new_pod_gets_its_share_at_once_whatever_was_moved_before() -> None:
    sizes, moved = targets([Claim("a", 11, 3.0), Claim("b", 1, None, new=True)], Rules(12, 1, 32, moves=0))
    assert sizes == {"a": 6, "b": 6}
    assert moved == 0


def test_pods_shrink_no_more_than_needed() -> None:
    sizes, _ = targets([Claim("a", 8, 1.0), Claim("b", 8, 1.0), Claim("c", 1, None, new=True)], Rules(18, 1, 3, 10))
    assert sizes["c"] == 3
    assert sum(sizes.values()) <= 18


def test_terminating_pod_shrinks_first_and_never_grows() -> None:
    leaving = Claim("old", 9, 5.0, leaving=True, needs=2)
    sizes, _ = targets([leaving, Claim("a", 8, 5.0), Claim("b", 1, None, new=True)], Rules(18, 1, 32, 10))
    assert sizes["old"] == 2
    assert sizes["a"] == 8
    assert sizes["b"] == 8


def test_sizes_above_the_total_shrink_whatever_the_demand() -> None:
    sizes, _ = targets([Claim("a", 9, 9.0), Claim("b", 9, 9.0)], Rules(10, 1, 32, moves=0))
    assert sizes == {"a": 5, "b": 5}


def test_total_below_the_floors_gives_the_floors() -> None:
    assert targets([Claim("a", 9, 9.0), Claim("b", 9, 9.0)], Rules(1, 2, 32, 0))[0] == {"a": 2, "b": 2}


def test_idle_pods_come_back_to_equal_shares() -> None:
    assert targets([Claim("a", 9, 0.0), Claim("b", 3, 0.0)], Rules(12, 1, 32, 10))[0] == {"a": 6, "b": 6}


def test_demand_is_the_increase_of_the_counters_per_second() -> None:
    """4 connections busy and 2 clients waiting, on average over ten seconds."""
    first = measure(Demands(), [read(10, 100, 50)])
    assert first.levels == {}
    assert measure(first, [read(20, 140, 70)]).levels == {"a": pytest.approx(6.0)}


def test_demand_is_smoothed() -> None:
    known = measure(measure(Demands(), [read(0, 0)]), [read(10, 0)])
    assert 0 < measure(known, [read(11, 10)]).levels["a"] < 2


def test_clients_that_still_wait_count_as_demand() -> None:
    first = measure(Demands(), [read(10, 100)])
    assert measure(first, [read(11, 100, waiting=7, active=3)]).levels["a"] == 10


def test_counters_of_a_restarted_process_begin_at_zero() -> None:
    known = measure(measure(Demands(), [read(0, 0)]), [read(10, 40)])
    after = measure(known, [read(11, 1)])
    assert after.levels == known.levels
    assert measure(after, [read(12, 5)]).levels["a"] == pytest.approx(4.0)


def test_silent_pod_keeps_its_demand_and_removed_pod_loses_it() -> None:
    known = measure(measure(Demands(), [read(0, 0)]), [read(10, 40)])
    assert measure(known, [PodSeen("a", "a")]).levels == known.levels
    assert measure(known, []).levels == {}
