"""The faults of `tests/pods/chaos.py`, and pods and databases that change behind the others' backs."""

import time
from dataclasses import dataclass

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from tests.pods.chaos import Chaos
from tests.pods.faults import Interval
from tests.pods.pod import Pod, Stranger


@dataclass(frozen=True)
class Odd:
    """`resized` is restarted with other numbers of memcached servers; `stranger` runs at times with another log."""

    resized: Pod
    stranger: Stranger


class OddChaos(Chaos):
    """Also restarts the database, and the pods of `Odd`."""

    def __init__(
        self, pods: list[Pod], memcached: list[Memcached], database: Postgres, odd: Odd, seed: int
    ) -> None:  # fmt: skip
        super().__init__(pods, memcached, seed)
        self._database, self._resized, self._stranger = database, odd.resized, odd.stranger
        self._sizes = 0
        self.faults.strangers = frozenset({odd.stranger.name})
        self.schedule = (
            self.pause_log,
            self.kill_worker,
            self.flush,
            self.stall_worker,
            self.kill_log,
            self.restart_pooler,
            self.pause_other,
            self.kill_between_commit_and_publication,
            self.reload,
            self.resize,
            self.let_one_without_log_in,
            self.let_one_with_another_log_in,
            self.restart_database,
            self.kill_all_memcached,
        )

    def restart_database(self) -> None:
        start = time.monotonic_ns()
        self._database.restart()
        self.faults.outages.append(Interval(start, time.monotonic_ns()))

    def resize(self) -> None:
        """Restart one pod with one, three or two memcached servers; the other pods keep theirs."""
        self._sizes += 1
        pod = self._resized
        with self._crash(pod):
            pod.stop()
            pod.memcached = self._memcached[: (1, 3, 2)[self._sizes % 3]]
            pod.start()

    def let_one_without_log_in(self) -> None:
        self._let_in([])

    def let_one_with_another_log_in(self) -> None:
        self._let_in(self._memcached[1:])

    def _let_in(self, memcached: list[Memcached]) -> None:
        """Run a pod with another log than the database's record beside the others, then stop it."""
        with self._crash(self._stranger):
            self._stranger.memcached = memcached
            self._stranger.start()
            time.sleep(self._random.uniform(0.5, 1.5))
            self._stranger.stop()
