"""The model: the real package over simulated servers, in random orders and in every order of small scenes.

MODEL_RUNS is the number of random runs, MODEL_SWITCHES how many times the scenes' running tasks are interrupted.
Every order with one interruption is played; of those with more at most MODEL_ORDERS, which is all of a small scene.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.coherence.model import answers, looking_ahead, mutations, scenes, strangers
from tests.unit.coherence.model.scenes import Scene, count_orders
from tests.unit.coherence.model.traffic import violations_of

RUNS = int(os.environ.get("MODEL_RUNS", "1000"))
SWITCHES = int(os.environ.get("MODEL_SWITCHES", "2"))
ORDERS = int(os.environ.get("MODEL_ORDERS", "800"))
PORTIONS = 8
pytestmark = pytest.mark.timeout(1200 + RUNS // 20 + ORDERS // 50)

RULES: dict[Callable[[], Any], Scene] = {
    mutations.positions_do_not_matter: scenes.logout_beside_requests,
    mutations.later_positions_are_believed: scenes.logout_beside_restart,
    mutations.history_has_no_beginning: scenes.logout_beside_gap,
    mutations.changes_are_not_named: scenes.logout_beside_shared_fact,
    mutations.lease_starts_before_the_entries_are_read: scenes.requests_after_logout,
    mutations.missing_entries_are_skipped: scenes.logout_beside_requests,
    mutations.position_is_taken_after_the_read: scenes.slow_query_over_logout,
    mutations.any_flight_may_be_joined: scenes.slow_query_over_logout,
    mutations.writes_do_not_wait_for_leases: scenes.logout_beside_two_requests,
    mutations.clocks_run_alike: scenes.request_right_after_logout,
    mutations.a_miss_grants_a_lease: scenes.logout_beside_restart,
    mutations.no_look_is_needed: scenes.requests_after_logout,
    mutations.an_earlier_look_replaces_a_later_one: scenes.late_look_over_logout,
    mutations.a_lost_counter_begins_again: scenes.logout_after_restart,
    mutations.dropped_changes_do_not_move_the_beginning: scenes.changes_after_logout,
    mutations.one_number_is_taken_for_all_keys: scenes.rename_beside_requests,
    mutations.results_rest_on_another_country: scenes.opening_beside_searches,
    mutations.a_posting_does_not_publish_its_country: scenes.opening_beside_searches,
    mutations.a_posting_does_not_publish_itself: scenes.closing_beside_stale_searches,
    **strangers.RULES,
    **looking_ahead.RULES,
    **answers.RULES,
}
SCENES = (*scenes.SCENES, *strangers.SCENES, *looking_ahead.SCENES, *answers.SCENES)
TOO_RARE_FOR_CHANCE = (
    mutations.clocks_run_alike,
    mutations.position_is_taken_after_the_read,
    mutations.any_flight_may_be_joined,
    mutations.a_miss_grants_a_lease,
    mutations.an_earlier_look_replaces_a_later_one,
    mutations.a_lost_counter_begins_again,
    mutations.results_rest_on_another_country,
    mutations.a_posting_does_not_publish_its_country,
    mutations.a_posting_does_not_publish_itself,
    looking_ahead.the_lease_begins_with_the_end_of_the_look,
    strangers.leases_are_not_ended_at_a_change,
    strangers.confirming_does_not_wait_for_a_change,
    strangers.agreement_is_not_checked_again,
    strangers.the_outbox_does_not_say_which_log_is_used,
    strangers.every_change_leaves_the_counter,
)
LATE: dict[Callable[[], Any], int] = {
    mutations.writes_do_not_wait_for_leases: 2240,
    mutations.history_has_no_beginning: 200,
    mutations.lease_starts_before_the_entries_are_read: 280,
    mutations.missing_entries_are_skipped: 160,
    strangers.workers_with_another_log_may_write: 880,
    looking_ahead.a_failed_look_extends_the_lease: 540,
}
"""Where the search of rare violations begins, shortly before the first one; a wrong number only costs time."""
NO_RULES = (mutations.looks_overlap, mutations.a_short_history, mutations.entries_are_not_written)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_no_promise_is_broken_in_any_order_of_a_scene(scene: Scene) -> None:
    assert count_orders(scene, switches=1)[1] is None
    orders, violation = count_orders(scene, SWITCHES, ORDERS)
    assert violation is None
    assert orders >= 100 or SWITCHES < 2


@pytest.mark.parametrize("keeping", [False, True], ids=["plain", "with kept answers"])
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_no_promise_is_broken_in_random_runs(portion: int, keeping: bool) -> None:
    assert violations_of(range(portion, RUNS, PORTIONS), keeping=keeping) == []


@pytest.mark.parametrize("mutation", RULES, ids=lambda mutation: mutation.__name__)
def test_mutation_is_found_in_a_scene(mutation: Callable[[], Any]) -> None:
    with mutation():
        _, violation = count_orders(RULES[mutation], switches=2)
    assert violation


@pytest.mark.parametrize(
    "mutation", [rule for rule in RULES if rule not in TOO_RARE_FOR_CHANCE], ids=lambda mutation: mutation.__name__
)
def test_mutation_is_found_in_random_runs(mutation: Callable[[], Any]) -> None:
    keeping, start = mutation in answers.RULES, LATE.get(mutation, 0)
    with mutation():
        assert any(violations_of(range(n, n + 20), keeping=keeping) for n in range(start, start + 5000, 20))


@pytest.mark.parametrize("change", NO_RULES, ids=lambda change: change.__name__)
def test_harmless_change_breaks_no_promise(change: Callable[[], Any]) -> None:
    with change():
        assert [count_orders(scene, switches=1)[1] for scene in SCENES] == [None] * len(SCENES)
        assert violations_of(range(200)) == []
