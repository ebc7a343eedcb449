"""Runs concurrent requests against simulated servers, and returns their results or exceptions."""

from collections.abc import Callable
from typing import Any

from app.coherence import Coherence
from app.coherence.clock import MS_IN_NS
from tests.unit.coherence.model.scheduler import Scheduler, Task
from tests.unit.coherence.model.world import SMALL, Mood, World


class TakingTurns:
    """Round robin: each ready task runs up to its next pause; time passes only when all tasks wait."""

    def choose(self, ready: list[Task], last: Task | None) -> Task | None:
        return next((task for task in ready if last is not None and task.number > last.number), ready[0])

    def pass_ns(self) -> int:
        return 0


class Room:
    """A world with two workers; times are of its own clock."""

    def __init__(self) -> None:
        self.world = World(Scheduler(TakingTurns()), Mood(), SMALL)
        self.scheduler, self.database, self.log_server = (
            self.world.scheduler,
            self.world.database,
            self.world.servers[0],
        )
        self.first, self.second = self.world.start_worker(), self.world.start_worker()

    @property
    def now_ms(self) -> float:
        return self.scheduler.now_ns / MS_IN_NS

    def pass_ms(self, milliseconds: float) -> None:
        self.scheduler.now_ns += int(milliseconds * MS_IN_NS)

    def run(self, *calls: Callable[[], Any]) -> list[Any]:
        """Run the calls concurrently; return the result or the exception of each."""
        results: dict[int, Any] = {}

        def runner(number: int, call: Callable[[], Any]) -> Callable[[], None]:
            def run() -> None:
                try:
                    results[number] = call()
                except Exception as error:
                    results[number] = error

            return run

        for number, call in enumerate(calls):
            self.scheduler.spawn(runner(number, call))
        while len(results) < len(calls):
            self.scheduler.step()
        return [results[number] for number in range(len(calls))]

    def count(self, worker: Coherence, name: str) -> int:
        counters: Any = worker._publisher._counters
        return int(counters.get(name, 0))
