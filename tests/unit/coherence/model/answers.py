"""A server that keeps answers, as a simulation of the one in C; scenes with it, and mutations of its rules."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from unittest.mock import patch

from app.coherence import Coherence
from app.coherence.facade import Coherence as Facade
from app.infra.relying import Part, relying
from tests.unit.coherence.model.scenes import later, prepare
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.world import World


class SimAnswers:
    """Keeps one answer: that session 1 is live."""

    def __init__(self, worker: Coherence) -> None:
        self._now_ns = worker._lease._now_ns
        self.position, self.until_ns, self.looks, self.forgets = 0, 0, 0, 0
        self.keys: tuple[str, ...] | None = None

    def looked(self, position: int, keys: Sequence[str] | None, start_ns: int, lease_ns: int) -> None:
        self._remove(keys)
        self.looks += 1
        self.position, self.until_ns = position, start_ns + lease_ns

    def lower(self, until_ns: int) -> None:
        self.until_ns = min(self.until_ns, until_ns)

    def forget(self, keys: Sequence[str] | None) -> None:
        self._remove(keys)
        self.forgets += 1

    def gives(self) -> bool:
        return self.keys is not None and self._now_ns() < self.until_ns

    def keep(self, position: int | None, part: Part) -> None:
        if position is not None and position == self.position:
            self.keys = tuple(part.keys)

    def _remove(self, keys: Sequence[str] | None) -> None:
        if self.keys is not None and (keys is None or set(keys) & set(self.keys)):
            self.keys = None


def check_session(world: World, worker: Coherence) -> None:
    """A request that the server answers if it can; else the application does, and the answer is kept if it is proven.

    Between the proof and the sending of the answer another thread may look; then nothing is kept.
    """
    answers: Any = worker.answers
    if answers.gives():
        world.answers += 1
        if world.ended:
            world.violations.append("accepted after the 204, from what the server keeps")
        return
    part, forgets = Part(), answers.forgets
    token = relying.set(part)
    try:
        world.check_session(worker)
    finally:
        relying.reset(token)
    world.scheduler.pause()  # the rest of the answer is made
    position, looks = worker.proven(part), answers.looks
    world.scheduler.pause()
    if not part.refused and part.keys and (looks, forgets) == (answers.looks, answers.forgets):
        answers.keep(position, part)


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
