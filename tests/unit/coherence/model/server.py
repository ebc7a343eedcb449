"""A server that keeps answers, as a simulation of the one in C, and a request that it may answer."""

from collections.abc import Sequence

from app.coherence import Coherence
from app.infra.relying import Part, relying
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

    Between the proof and the sending of the answer another thread may look; then nothing is kept. Nor is anything by a
    worker without such a server.
    """
    answers = worker.answers
    if not isinstance(answers, SimAnswers):
        world.check_session(worker)
        return
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
