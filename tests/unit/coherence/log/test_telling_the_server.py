"""What the server that keeps answers is told of looks, and in which order."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.coherence.clock import MS_IN_NS
from app.coherence.kept_answers import NoAnswers
from app.coherence.log.history import State
from app.coherence.log.lease import Lease
from app.coherence.log.look import Finding
from tests.unit.coherence.model.rooms import Room

LEASE_NS = 50 * MS_IN_NS


class Told(NoAnswers):
    """Notes each look, and the state that was installed when it was told."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.looks: list[tuple[int, Sequence[str] | None, int, int]] = []
        self.states: list[State] = []
        self.ends: list[int] = []

    def looked(self, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None:
        self.looks.append((position, keys, start_ns, lease_ns))
        self.states.append(self._lease.state)

    def lower(self, until_ns: int) -> None:
        self.ends.append(until_ns)


@pytest.fixture
def lease(room: Room) -> Lease:
    """Of a worker that has looked once."""
    room.run(room.first.leased)
    return room.first._lease


@pytest.fixture
def told(lease: Lease) -> Told:
    told = Told(lease)
    lease.answers = told
    return told


def found(lease: Lease, start_ns: int, *changes: str) -> Finding:
    """A finding of a look that began with the present state."""
    last = lease.state.position + len(changes)
    return Finding(last, dict(enumerate(changes, lease.state.position + 1)), start_ns)


def test_look_is_told_with_its_start_before_its_state_is_installed(lease: Lease, told: Told) -> None:
    seen = lease.state
    finding = found(lease, seen.start_ns + 7, "user:1", "session:2")
    lease._install(seen, finding)
    assert told.looks == [(seen.position + 2, ["user:1", "session:2"], seen.start_ns + 7, LEASE_NS)]
    assert told.states == [seen]
    assert lease.state is not seen


def test_look_that_is_not_installed_is_not_told(lease: Lease, told: Told) -> None:
    """Two looks overlap, and the one that began with the older state ends last."""
    seen = lease.state
    early, late = found(lease, seen.start_ns + 1), found(lease, seen.start_ns + 2, "user:1")
    lease._install(seen, late)
    lease._install(seen, early)
    assert [start_ns for _, _, start_ns, _ in told.looks] == [late.start_ns]


def test_slow_look_is_told_with_the_time_at_which_it_began(room: Room, lease: Lease, told: Told) -> None:
    room.pass_ms(60)
    began_ns = room.scheduler.now_ns
    room.log_server.answers_s = iter((0.03,))
    room.run(room.first.leased)
    assert [start_ns for _, _, start_ns, _ in told.looks] == [began_ns]


def test_new_history_is_told_as_a_change_of_everything(lease: Lease, told: Told) -> None:
    seen = lease.state
    lease._install(seen, Finding(seen.position + 9, None, seen.start_ns + 1))
    assert told.looks[0][1] is None


def test_failed_look_is_not_told(room: Room, lease: Lease, told: Told) -> None:
    room.pass_ms(60)
    room.log_server.down = True
    assert room.run(room.first.leased) == [False]
    assert told.looks == []


def test_look_without_agreement_of_the_database_gives_no_lease(lease: Lease, told: Told) -> None:
    lease._agreed_at = 0
    lease._install(lease.state, found(lease, lease.state.start_ns + 1))
    assert told.looks[0][2] < 0


@pytest.mark.parametrize("lease_ms", [0, 20])
def test_shorter_lease_is_told_at_once(lease: Lease, told: Told, lease_ms: int) -> None:
    lease.apply(lease_ms)
    assert told.ends == [lease.state.start_ns + lease_ms * MS_IN_NS]


def test_ended_session_is_forgotten_at_once(room: Room) -> None:
    forgotten: list[Any] = []

    class Forgetting(NoAnswers):
        def forget(self, keys: Sequence[str] | None) -> None:
            forgotten.append(keys)

    room.first.keep_answers(Forgetting())
    room.run(lambda: room.first.ended_sessions.add(7))
    assert forgotten == [["session:7"]]
