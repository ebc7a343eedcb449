"""The memory of ended sessions."""

from app.config import CacheTuning
from tests.unit.coherence.facts.test_fact_cache import never
from tests.unit.coherence.model.rooms import Room


def test_who_was_added_is_dead_and_nobody_else(room: Room) -> None:
    room.run(lambda: room.first.ended_sessions.add(1))
    assert 1 in room.first.ended_sessions
    assert 2 not in room.first.ended_sessions


def test_other_workers_know_without_asking_postgresql(room: Room) -> None:
    room.run(lambda: room.first.ended_sessions.add(1))
    assert room.run(lambda: room.second.sessions.load(1, never)) == [None]
    assert room.run(lambda: room.second.sessions.load_many([1], never)) == [{}]


def test_no_more_are_remembered_than_the_bound_says(room: Room) -> None:
    room.run(*[lambda number=number: room.first.ended_sessions.add(number) for number in range(30)])
    assert len(room.first.ended_sessions) == 10
    room.first.ended_sessions.apply(CacheTuning(5, 60))
    assert len(room.first.ended_sessions) == 5


def test_they_are_forgotten_after_their_term(room: Room) -> None:
    room.run(lambda: room.first.ended_sessions.add(1))
    room.pass_ms(3600_001)
    assert 1 not in room.first.ended_sessions
