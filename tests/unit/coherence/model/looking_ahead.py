"""Scenes in which a look ahead is under way or fails beside a logout; their mutations."""

from functools import partial
from typing import Any
from unittest.mock import patch

from app.coherence.log import lease, look
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.history import State
from app.coherence.log.lease import Lease
from app.coherence.log.look import Finding
from tests.unit.coherence.model.scenes import later, prepare
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.world import FATES, World


def slow_look_ahead_over_logout(world: World) -> None:
    """The answer to a look ahead arrives long after a logout that came between, and another request before it."""
    _look_ahead(world, 0.2)
    first, second = world.workers
    spawn(world, first, later(world, 0.01, world.log_out))
    spawn(world, second, later(world, 0.12, world.check_session))


def failing_look_ahead_over_logout(world: World) -> None:
    """A look ahead fails shortly before its lease ends, and a logout is final soon afterwards."""
    server = world.servers[0]
    _look_ahead(world, 0.02)
    first, second = world.workers
    fates = iter((FATES[2],))
    server.fate = lambda: next(fates, FATES[0])
    spawn(world, first, later(world, 0.001, world.log_out))
    spawn(world, second, later(world, 0.065, world.check_session))


def _look_ahead(world: World, answer_s: float) -> None:
    """Worker 2 has a session in its memory and a lease that is 30 ms old; its look ahead is answered late."""
    second = world.workers[1]
    prepare(world, lambda: world.check_session(second), partial(world.scheduler.sleep, 0.03))
    world.servers[0].answers_s = iter((answer_s,))
    spawn(world, second, world.check_session)
    world.scheduler.step()


def the_old_state_is_used_while_a_look_is_under_way() -> Any:
    current = Lease.current

    def patient(self: Lease) -> State | None:
        return self.state if self._flight is not None and self.state.position else current(self)

    return patch.object(Lease, "current", patient)


def a_failed_look_extends_the_lease() -> Any:
    fail = Lease._fail

    def extend(self: Lease) -> None:
        fail(self)
        self.state.start_ns = self._now_ns()

    return patch.object(Lease, "_fail", extend)


def the_lease_begins_with_the_end_of_the_look() -> Any:
    def late(change_log: ChangeLog, seen: State, clock: Any) -> Finding:
        found = look.look(change_log, seen, clock)
        return Finding(found.last, found.entries, clock.now_ns())

    return patch.object(lease, "look", late)


SCENES = (slow_look_ahead_over_logout, failing_look_ahead_over_logout)
RULES = {
    the_old_state_is_used_while_a_look_is_under_way: slow_look_ahead_over_logout,
    a_failed_look_extends_the_lease: failing_look_ahead_over_logout,
    the_lease_begins_with_the_end_of_the_look: slow_look_ahead_over_logout,
}
