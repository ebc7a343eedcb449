"""Samples the sessions of the service in both PostgreSQL servers, and runs clients that fill every pool."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from tests.e2e.operator import replica
from tests.e2e.operator.resource import environment
from tests.e2e.platform.release import NAME, Pod, Release

SAMPLE = (
    "SELECT count(*), (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') "
    "FROM pg_stat_activity WHERE usename = 'jobfinder' AND backend_type = 'client backend' \\watch 0.1\n"
)
CLIENTS, CLIENTS_OF_REPLICA = 5, 3
GREEDY = """
import os, signal, threading, time, psycopg2
def work(url):
    while True:
        try:
            connection = psycopg2.connect(url, connect_timeout=5)
            connection.autocommit = True
            while True:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.05)")
        except psycopg2.Error:
            time.sleep(0.5)
for name, clients in (("DATABASE_URL", {clients}), ("DATABASE_REPLICA_URLS", {of_replica})):
    for _ in range(clients if name in os.environ else 0):
        threading.Thread(target=work, args=[os.environ[name]], daemon=True).start()
signal.pause()
"""


@dataclass
class Samples:
    """Numbers of the role's sessions, in the order in which they were counted."""

    numbers: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    servers: set[str] = field(default_factory=set)
    """Names of the pods that were sampled."""

    @property
    def most(self) -> int:
        return max(self.numbers, default=0)


@contextmanager
def sampled(release: Release) -> Iterator[Samples]:
    """Sample the primary while the block runs, as a superuser, whose own connection is not counted."""
    samples = Samples()
    process = _psql(release, f"{NAME}-postgresql-0")
    reader = threading.Thread(target=_read, args=[process, samples], daemon=True)
    reader.start()
    try:
        yield samples
    finally:
        process.kill()
        process.wait()
        reader.join(timeout=10)


@contextmanager
def replica_sampled(release: Release) -> Iterator[Samples]:
    """The same for the replica; one pod after another, as it goes away and comes back."""
    samples, over = Samples(), threading.Event()
    running: list[subprocess.Popen[str]] = []

    def follow() -> None:
        while not over.wait(1):
            if name := replica.pod(release):
                running.append(_psql(release, name))
                before = len(samples.numbers)
                _read(running[-1], samples)
                if len(samples.numbers) > before:
                    samples.servers.add(name)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield samples
    finally:
        over.set()
        for each in running:
            each.kill()
        follower.join(timeout=30)


def _psql(release: Release, pod: str) -> "subprocess.Popen[str]":
    return _exec(release, pod, "postgresql", ["psql", "--username=postgres", "--dbname=jobfinder", "-At"], SAMPLE)


def _read(process: "subprocess.Popen[str]", samples: Samples) -> None:
    """Read samples until the process ends."""
    assert process.stdout is not None
    for line in process.stdout:
        number, _, _ = line.partition("|")
        if number.strip().isdigit():
            samples.numbers.append(int(number))
        elif line.strip() and "Watch every" not in line and "every 0.1s" not in line:
            samples.problems.append(line.strip())
    process.wait()


@contextmanager
def greedy(release: Release) -> Iterator[None]:
    """Run clients without pauses in every ready pod, `CLIENTS` and `CLIENTS_OF_REPLICA`, so that pools are full."""
    over = threading.Event()
    running: dict[str, subprocess.Popen[str]] = {}
    script = GREEDY.format(clients=CLIENTS, of_replica=CLIENTS_OF_REPLICA)

    def follow() -> None:
        while not over.wait(2):
            for component in ("app", "worker", "realtime"):  # each has its container's name
                for pod in release.pods(component):
                    if pod.ready and not pod.ending and pod.name not in running:
                        running[pod.name] = _exec(release, pod.name, component, ["python", "-c", script])

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join(timeout=30)
        for each in running.values():
            each.kill()
            each.wait()


class Convergence:
    """Records when each pod became ready and when it was served; `look` tells both and is called twice a second."""

    def __init__(self, look: Callable[[], tuple[list[Pod], dict[str, bool]]]) -> None:
        self._look = look
        self.ready: dict[str, float] = {}
        self.served: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=30)

    def slowest(self, still_here: set[str]) -> dict[str, float]:
        """Seconds from ready to served of each pod, without pods that disappeared before they were served."""
        now = time.monotonic()
        pods = {name for name in self.ready if name in self.served or name in still_here}
        return {name: round(self.served.get(name, now) - self.ready[name], 1) for name in pods}

    def _follow(self) -> None:
        while not self._over.wait(0.5):
            pods, served = self._look()
            now = time.monotonic()
            for pod in pods:
                if pod.ready:
                    self.ready.setdefault(pod.name, now)
                    if served.get(pod.name):
                        self.served.setdefault(pod.name, now)


def _exec(
    release: Release, pod: str, container: str, command: list[str], given: str | None = None
) -> "subprocess.Popen[str]":
    arguments = ["kubectl", "-n", release.namespace, "exec", "-i", pod, "-c", container, "--", *command]
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(release.cluster),
    )
    if given is not None and process.stdin is not None:
        process.stdin.write(given)
        process.stdin.flush()
    return process
