"""Faults injected under load, one at a time; their times are recorded for the checker."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.local.memcached import Memcached
from tests.pods.faults import Faults, Interval
from tests.pods.pod import Pod, wait_for

CALM_S = 1.0


class Chaos:
    """Injects the faults of `schedule`, in its order; `memcached[0]` holds the log."""

    def __init__(self, pods: list[Pod], memcached: list[Memcached], seed: int) -> None:
        self._pods, self._memcached = pods, memcached
        self._random = random.Random(seed)
        self.faults = Faults()
        self.schedule: tuple[Callable[[], None], ...] = (
            self.kill_between_commit_and_publication,
            self.kill_all_memcached,
            self.stall_worker,
            self.flush,
            self.kill_worker,
            self.pause_log,
            self.restart_pooler,
        )

    def run(self, enough: threading.Event) -> None:
        """Run the whole schedule once, then continue until `enough` is set."""
        rounds = 0
        while not (enough.is_set() and rounds):
            for fault in self.schedule:
                if rounds and enough.is_set():
                    return
                fault()
                time.sleep(CALM_S)
            rounds += 1

    def pause_log(self) -> None:
        log = self._memcached[0]
        log.pause()
        with self._silence():
            time.sleep(self._random.uniform(0.1, 1.5))
        log.resume()

    def kill_log(self) -> None:
        log = self._memcached[0]
        log.kill()
        with self._silence():
            time.sleep(self._random.uniform(0.0, 1.0))
        log.start()

    def kill_all_memcached(self) -> None:
        for each in self._memcached:
            each.kill()
        with self._silence():
            time.sleep(self._random.uniform(0.0, 1.0))
        for each in reversed(self._memcached):
            each.start()

    def flush(self) -> None:
        for each in self._memcached:
            each.flush()

    def pause_other(self) -> None:
        other = self._memcached[1]
        other.pause()
        time.sleep(self._random.uniform(0.1, 1.0))
        other.resume()
        other.kill()
        other.start()

    def kill_worker(self) -> None:
        pod = self._random.choice(self._pods)
        with self._crash(pod):
            self._kill_one(pod)

    def kill_between_commit_and_publication(self) -> None:
        """Kill a worker while the log is paused, when ends are committed and wait to be published."""
        pod, log = self._random.choice(self._pods), self._memcached[0]
        with self._crash(pod):
            log.pause()
            with self._silence():
                time.sleep(0.3)
                self._kill_one(pod)
            log.resume()

    def stall_worker(self) -> None:
        """Stop a worker for longer than its lease, as may happen on a busy machine."""
        pid = self._random.choice(self._random.choice(self._pods).workers())
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._random.uniform(0.05, 1.0))
        os.kill(pid, signal.SIGCONT)

    def restart_pooler(self) -> None:
        self._random.choice(self._pods).pgbouncer.restart()

    def reload(self) -> None:
        """SIGHUP: start new workers while the old ones finish their requests."""
        pod = self._random.choice(self._pods)
        before = set(pod.workers())
        with self._crash(pod):
            pod.send(signal.SIGHUP)
            wait_for(lambda: not before & set(pod.workers()) and pod.complete(), f"new workers of pod {pod.name}")

    def _kill_one(self, pod: Pod) -> None:
        victim = self._random.choice(pod.workers())
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in pod.workers() and pod.complete(), f"a new worker of pod {pod.name}")

    @contextmanager
    def _silence(self) -> Iterator[None]:
        start = time.monotonic_ns()
        yield
        self.faults.silence.append(Interval(start, time.monotonic_ns()))

    @contextmanager
    def _crash(self, pod: Pod) -> Iterator[None]:
        start = time.monotonic_ns()
        yield
        self.faults.crashes.append(Interval(start, time.monotonic_ns(), pod.name))
