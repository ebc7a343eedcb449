"""Looks at the change log: how often, by which request, and what happens when a look fails."""

from unittest.mock import patch

import pytest

from app.coherence import user_key
from app.coherence.log.change_log import ENTRY_TTL_S, REACH, TICKET
from app.errors import Unavailable
from tests.unit.coherence.model.rooms import Room


def looks(room: Room) -> int:
    """Number of looks, without the extra one that a worker makes once the database has agreed to the log."""
    return room.count(room.first, "lease_looks") - 1


def time_of_one(room: Room) -> float:
    """How long a request waits for its lease, in ms."""
    began_ms = room.now_ms
    assert room.first.leased()
    return room.now_ms - began_ms


def times_of(room: Room, requests: int) -> list[float]:
    """How long each of concurrent requests, all of which get a lease, waits for it, in ms; in ascending order."""
    began_ms = room.now_ms
    finished: list[float] = []

    def ask() -> bool:
        leased = room.first.leased()
        finished.append(room.now_ms - began_ms)
        return leased

    assert room.run(*[ask] * requests) == [True] * requests
    return sorted(finished)


def test_a_look_serves_all_requests_of_half_a_lease(room: Room) -> None:
    assert room.run(room.first.leased) == [True]
    room.pass_ms(24)
    assert room.run(room.first.leased, room.first.leased) == [True, True]
    assert looks(room) == 1


def test_one_request_looks_ahead_while_the_others_use_the_present_state(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(26)
    room.log_server.answers_s = iter((0.02,))
    assert times_of(room, 10) == [0] * 9 + [20]
    assert looks(room) == 2


def test_nobody_waits_while_each_look_is_made_ahead(room: Room) -> None:
    room.run(room.first.leased)
    for number in range(2, 6):
        room.pass_ms(26)
        assert times_of(room, 2) == [0, 0]
        assert looks(room) == number


def test_the_state_is_not_used_beyond_its_lease_while_a_look_ahead_is_under_way(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(26)
    room.log_server.answers_s = iter((0.1,))

    def late() -> float:
        room.scheduler.sleep(0.025)
        return time_of_one(room)

    assert room.run(room.first.leased, late) == [True, 75]
    assert looks(room) == 2


def test_failed_look_ahead_neither_extends_the_lease_nor_ends_it(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(26)
    room.log_server.down = True
    assert room.run(*[room.first.leased] * 3) == [True] * 3
    room.pass_ms(23)
    assert room.run(room.first.leased) == [True]
    assert room.count(room.first, "lease_failures") == 1
    room.pass_ms(2)
    assert room.run(room.first.leased) == [False]


def test_look_ahead_that_needs_the_database_in_vain_leaves_the_lease(room: Room) -> None:
    room.run(room.first.leased)
    room.log_server.restart()
    room.database.down = True
    room.pass_ms(26)
    assert room.run(room.first.leased, room.first.leased) == [True, True]
    room.pass_ms(25)
    (result,) = room.run(room.first.leased)
    assert isinstance(result, Unavailable)


def test_requests_that_need_a_look_at_the_same_time_share_it(room: Room) -> None:
    assert room.run(*[room.first.leased] * 100) == [True] * 100
    assert looks(room) == 1


def test_a_shorter_lease_applies_at_once(room: Room) -> None:
    room.run(room.first.leased)
    room.first._lease.apply(10)
    room.pass_ms(11)
    room.run(room.first.leased)
    assert looks(room) == 2


def test_lease_of_0_ms_looks_for_every_request(room: Room) -> None:
    room.first._lease.apply(0)
    for number in range(1, 4):
        room.pass_ms(1)
        assert room.run(room.first.leased) == [True]
        assert looks(room) == number


def test_lease_cannot_exceed_its_maximum(room: Room) -> None:
    room.run(room.first.leased)
    room.first._lease.apply(10_000)
    room.pass_ms(51)
    room.run(room.first.leased)
    assert looks(room) == 2


def test_slow_look_serves_requests_that_came_before_it_started(room: Room) -> None:
    room.log_server.answers_s = iter((0.0, 0.2))
    assert room.run(room.first.leased, room.first.leased) == [True, True]
    assert looks(room) == 1


def test_a_look_that_started_too_early_is_followed_by_another(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(60)
    room.log_server.answers_s = iter((0.2,))

    def late() -> bool:
        room.scheduler.sleep(0.1)
        return room.first.leased()

    assert room.run(room.first.leased, late) == [True, True]
    assert looks(room) == 3


def test_missing_counter_starts_an_era_far_from_the_old_one(room: Room) -> None:
    room.run(room.first.leased)
    before = room.first.position()
    room.log_server.restart()
    room.pass_ms(60)
    assert room.run(room.first.leased) == [True]
    after = room.first.position()
    assert before is not None
    assert after is not None
    assert abs(after - before) > REACH
    assert not room.first.usable((user_key(1),), before)


def test_changes_by_another_worker_become_known(room: Room) -> None:
    room.run(room.first.leased)
    before = room.first.position()
    assert before is not None
    room.run(lambda: room.second.final([user_key(1), user_key(2)], None, security=True))
    assert room.run(room.first.leased) == [True]
    assert room.first.position() == before + 2
    assert not room.first.usable((user_key(1),), before)
    assert room.first.usable((user_key(3),), before)
    assert room.count(room.first, "histories_started") == 1


def test_look_waits_for_an_entry_that_is_a_few_ms_late(room: Room) -> None:
    room.run(room.first.leased)
    before = room.first.position()
    assert before is not None
    room.log_server.incr(TICKET)

    def enter_late() -> None:
        room.scheduler.sleep(0.005)
        room.log_server.set(f"e:{before + 1}", b"user:1", ENTRY_TTL_S)

    room.pass_ms(60)
    room.run(enter_late, room.first.leased)
    assert room.count(room.first, "histories_started") == 1
    assert not room.first.usable((user_key(1),), before)


def test_missing_entry_starts_a_new_history(room: Room) -> None:
    room.run(room.first.leased)
    before = room.first.position()
    assert before is not None
    room.log_server.incr(TICKET)
    room.pass_ms(60)
    assert room.run(room.first.leased) == [True]
    assert room.first.position() == before + 1
    assert not room.first.usable((user_key(1),), before)


def test_worker_far_behind_starts_a_new_history_without_reading_entries(room: Room) -> None:
    room.run(room.first.leased)
    room.log_server.incr(TICKET, REACH + 1)
    room.pass_ms(60)
    with patch.object(room.log_server, "get_many", side_effect=AssertionError):
        assert room.run(room.first.leased) == [True]
    assert room.count(room.first, "histories_started") == 2


def test_after_a_failed_look_only_one_request_waits_for_the_server(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(60)
    room.log_server.down = True
    assert room.run(room.first.leased) == [False]
    room.log_server.down = False
    room.log_server.answers_s = iter((0.5,))
    began_ms = room.now_ms
    finished: list[float] = []

    def ask() -> bool:
        leased = room.first.leased()
        finished.append(room.now_ms - began_ms)
        return leased

    assert room.run(*[ask] * 10) == [True] + [False] * 9
    assert sorted(finished)[:9] == [0] * 9


def test_leases_come_back_with_the_server(room: Room) -> None:
    room.log_server.down = True
    assert room.run(room.first.leased, room.first.leased) == [False, False]
    assert room.first.position() is None
    room.log_server.down = False
    assert room.run(room.first.leased, room.first.leased)[0] is True
    assert room.run(room.first.leased) == [True]


def test_after_an_absence_the_outbox_is_read_before_a_lease(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(4001)
    room.database.down = True
    (result,) = room.run(room.first.leased)
    assert isinstance(result, Unavailable)
    room.database.down = False
    assert room.run(room.first.leased) == [True]


def test_killed_request_does_not_block_later_looks(room: Room) -> None:
    task = room.scheduler.spawn(room.first.leased)
    for _ in range(3):
        room.scheduler.step()
    room.scheduler.kill(task)
    assert room.run(room.first.leased) == [True]


@pytest.mark.parametrize("junk", [b"junk", b""])
def test_counter_that_is_not_a_number_gives_no_lease(room: Room, junk: bytes) -> None:
    room.log_server.data[TICKET] = junk
    assert room.run(room.first.leased) == [False]
