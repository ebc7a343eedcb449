"""The cache of ended sessions."""

from app.config import CacheTuning
from tests.unit.coherence.facts.test_fact_cache import never
from tests.unit.coherence.model.rooms import Room


def test_only_added_sessions_are_ended(room: Room) -> None:
    room.run(lambda: room.first.ended_sessions.add(1))
    assert 1 in room.first.ended_sessions
    assert 2 not in room.first.ended_sessions


def test_other_workers_see_an_ended_session_without_a_query(room: Room) -> None:
    room.run(lambda: room.first.ended_sessions.add(1))
    assert room.run(lambda: room.second.sessions.load(1, never)) == [None]
    assert room.run(lambda: room.second.sessions.load_many([1], never)) == [{}]


def test_capacity_is_never_exceeded(room: Room) -> None:
    room.run(*[lambda number=number: room.first.ended_sessions.add(number) for number in range(30)])
    assert len(room.first.ended_sessions) == 10
    room.first.ended_sessions.apply(CacheTuning(5, 60))
    assert len(room.first.ended_sessions) == 5


def test_entry_expires_after_its_ttl(room: Room) -> None:
    room.run(lambda: room.first.ended_sessions.add(1))
    room.pass_ms(3600_001)
    assert 1 not in room.first.ended_sessions
