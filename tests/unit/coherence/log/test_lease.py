"""Looks: how often, by whom, and what becomes of those who cannot have one."""

from unittest.mock import patch

import pytest

from app.coherence import user_key
from app.coherence.log.change_log import ENTRY_TTL_S, REACH, TICKET
from app.errors import Unavailable
from tests.unit.coherence.model.rooms import Room


def looks(room: Room) -> int:
    """Without the one that a worker makes once more when the database has agreed to the log."""
    return room.count(room.first, "lease_looks") - 1


def test_a_look_serves_all_requests_of_the_next_50_ms(room: Room) -> None:
    assert room.run(room.first.leased) == [True]
    room.pass_ms(49)
    assert room.run(room.first.leased, room.first.leased) == [True, True]
    assert looks(room) == 1
    room.pass_ms(2)
    assert room.run(room.first.leased) == [True]
    assert looks(room) == 2


def test_requests_that_need_a_look_at_the_same_time_share_it(room: Room) -> None:
    assert room.run(*[room.first.leased] * 100) == [True] * 100
    assert looks(room) == 1


def test_a_shorter_lease_applies_at_once(room: Room) -> None:
    room.run(room.first.leased)
    room.first._lease.apply(10)
    room.pass_ms(11)
    room.run(room.first.leased)
    assert looks(room) == 2


def test_a_lease_of_0_looks_for_every_request_also_for_one_that_meets_a_look_under_way(room: Room) -> None:
    room.first._lease.apply(0)
    for number in range(1, 4):
        room.pass_ms(1)
        assert room.run(room.first.leased) == [True]
        assert looks(room) == number


def test_a_lease_cannot_be_raised_above_the_constant_of_the_code(room: Room) -> None:
    room.run(room.first.leased)
    room.first._lease.apply(10_000)
    room.pass_ms(51)
    room.run(room.first.leased)
    assert looks(room) == 2


def test_a_look_that_takes_longer_than_a_lease_serves_those_who_asked_before_it_started(room: Room) -> None:
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


def test_a_missing_counter_is_made_and_two_eras_have_nothing_in_common(room: Room) -> None:
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


def test_changes_of_others_become_known(room: Room) -> None:
    room.run(room.first.leased)
    before = room.first.position()
    assert before is not None
    room.run(lambda: room.second.final([user_key(1), user_key(2)], None, security=True))
    assert room.run(room.first.leased) == [True]
    assert room.first.position() == before + 2
    assert not room.first.usable((user_key(1),), before)
    assert room.first.usable((user_key(3),), before)
    assert room.count(room.first, "histories_started") == 1


def test_an_entry_that_comes_some_milliseconds_late_is_waited_for(room: Room) -> None:
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


def test_an_entry_that_stays_missing_starts_a_new_history(room: Room) -> None:
    room.run(room.first.leased)
    before = room.first.position()
    assert before is not None
    room.log_server.incr(TICKET)
    room.pass_ms(60)
    assert room.run(room.first.leased) == [True]
    assert room.first.position() == before + 1
    assert not room.first.usable((user_key(1),), before)


def test_a_worker_that_is_far_behind_starts_a_new_history_without_reading_it_all(room: Room) -> None:
    room.run(room.first.leased)
    room.log_server.incr(TICKET, REACH + 1)
    room.pass_ms(60)
    with patch.object(room.log_server, "get_many", side_effect=AssertionError):
        assert room.run(room.first.leased) == [True]
    assert room.count(room.first, "histories_started") == 2


def test_without_an_answer_only_one_request_at_a_time_waits_for_it(room: Room) -> None:
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


def test_after_an_absence_there_is_no_lease_before_the_outbox_was_read(room: Room) -> None:
    room.run(room.first.leased)
    room.pass_ms(4001)
    room.database.down = True
    (result,) = room.run(room.first.leased)
    assert isinstance(result, Unavailable)
    room.database.down = False
    assert room.run(room.first.leased) == [True]


def test_a_killed_request_leaves_its_look_to_others(room: Room) -> None:
    task = room.scheduler.spawn(room.first.leased)
    for _ in range(3):
        room.scheduler.step()
    room.scheduler.kill(task)
    assert room.run(room.first.leased) == [True]


@pytest.mark.parametrize("junk", [b"junk", b""])
def test_a_counter_that_is_no_number_gives_no_lease(room: Room, junk: bytes) -> None:
    room.log_server.data[TICKET] = junk
    assert room.run(room.first.leased) == [False]
