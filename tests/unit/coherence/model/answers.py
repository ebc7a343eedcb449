"""Scenes with a server that keeps answers, and mutations of its rules."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

from app.coherence import Coherence
from app.coherence.facade import Coherence as Facade
from app.infra.relying import Part
from tests.unit.coherence.model.scenes import later, prepare
from tests.unit.coherence.model.server import SimAnswers, check_session
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.world import World


def _kept(world: World) -> Coherence:
    """Worker 2 keeps the answer of session 1."""
    second = world.workers[1]
    second.keep_answers(SimAnswers(second))
    prepare(world, *[partial(check_session, world, second)] * 3)
    return second


def logout_beside_kept_answer(world: World) -> None:
    """Another worker ends the session; another request keeps this one's lease alive."""
    second = _kept(world)
    spawn(world, world.workers[0], world.log_out)
    spawn(world, second, later(world, 0.055, Coherence.leased))
    spawn(world, second, later(world, 0.075, partial(check_session, world)))


def logout_beside_idle_worker(world: World) -> None:
    """The same without a look in between."""
    second = _kept(world)
    spawn(world, world.workers[0], world.log_out)
    spawn(world, second, later(world, 0.075, partial(check_session, world)))


def logout_beside_answer_that_is_made(world: World) -> None:
    """The session ends, and a look finds it, while an answer that rests on it is being made and sent."""
    first, second = world.workers
    second.keep_answers(SimAnswers(second))
    prepare(world, *[lambda: world.check_session(second)] * 2, lambda: world.log_out(first))
    second._lease.state.start_ns = world.scheduler.now_ns  # as if it had looked just before the logout
    world.ended = False
    spawn(world, second, partial(check_session, world))
    spawn(world, second, _ended_and_renewed(world))
    spawn(world, second, later(world, 0.01, partial(check_session, world)))


def _ended_and_renewed(world: World) -> Any:
    def run(worker: Coherence) -> None:
        worker._lease.renewed()
        world.ended = True

    return run


def changes_are_not_removed() -> Any:
    return patch.object(SimAnswers, "_remove", lambda self, keys: None)


def the_lease_of_answers_is_longer() -> Any:
    def gives(self: SimAnswers) -> bool:
        return self.keys is not None and self._now_ns() < self.until_ns + 50_000_000

    return patch.object(SimAnswers, "gives", gives)


def answers_are_kept_without_proof() -> Any:
    def proven(self: Facade, *parts: Part) -> int | None:
        return self._lease.state.position

    return patch.object(Facade, "proven", proven)


def a_look_after_the_proof_is_ignored() -> Any:
    """Both the position and the number of looks say that one came between."""

    def looked(self: SimAnswers, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None:
        self._remove(keys)
        self.until_ns = start_ns + lease_ns

    def keep(self: SimAnswers, position: int | None, part: Part) -> None:
        if position is not None:
            self.keys = tuple(part.keys)

    return patch.multiple(SimAnswers, looked=looked, keep=keep)


SCENES = (logout_beside_kept_answer, logout_beside_idle_worker, logout_beside_answer_that_is_made)
RULES = {
    changes_are_not_removed: logout_beside_kept_answer,
    the_lease_of_answers_is_longer: logout_beside_idle_worker,
    answers_are_kept_without_proof: logout_beside_answer_that_is_made,
    a_look_after_the_proof_is_ignored: logout_beside_answer_that_is_made,
}
