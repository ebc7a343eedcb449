"""Pods on this machine: a gunicorn master with workers and its own PgBouncer each, as in the cluster."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.infra.tuning.fitness import UNLIMITED
from app.local.development import secret_files
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres, free_port
from app.local.process import Command, LocalError, Process, becomes_true
from app.local.programs import has_meinheld
from tests.pods.connections import Answer, Connection, Connections, Request

CHECKOUT = Path(__file__).resolve().parents[2]
SERVE = (sys.executable, "-m", "app", "serve")
READY_TIMEOUT_S = 60.0
KINDS = ("meinheld", "gthread") if has_meinheld() else ("gthread",)
CHEAP = {"bcrypt_cost": 4, "queue": 1000}
MANY_SESSIONS = {"sessions_per_user": 10_000}  # the load logs in more often than real users


@dataclass(frozen=True)
class Shared:
    """What all pods share; `tuning` is merged into their tuning file."""

    postgres: Postgres
    database: str
    folder: Path
    tuning: Mapping[str, object]

    def environment(self) -> dict[str, str]:
        path = self.folder / "tuning.json"
        path.write_text(json.dumps({"limits": UNLIMITED, "accounts": MANY_SESSIONS, "passwords": CHEAP, **self.tuning}))
        return {
            "ENVIRONMENT": "development",
            "TUNING_FILE": str(path),
            "ACCESS_TOKEN_SECONDS": "7200",
            "DATABASE_DIRECT_URL": self.postgres.url(self.database),
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            **secret_files(self.folder),
        }


class Pod:
    """One `python -m app serve`, on the same port after restarts."""

    def __init__(
        self,
        name: str,
        shared: Shared,
        memcached: Sequence[Memcached],
        *,
        kind: str,
        workers: int,
        serve: Sequence[str] = SERVE,
    ) -> None:
        self.name, self.port, self._shared, self._workers, self.kind = name, free_port(), shared, workers, kind
        self._serve = serve
        self.memcached = list(memcached)
        self.pgbouncer = PgBouncer(shared.postgres, _statements(), pool_size=10)
        self.process: Process | None = None
        self.log = shared.folder / f"{name}.log"

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.close)
            self.pgbouncer.start()
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the master and return when every worker answers."""
        self.process = Process(
            f"pod {self.name}", Command(self._serve, self.log, environment=self.environment(), folder=CHECKOUT)
        )
        self.process.wait_until(self.complete, READY_TIMEOUT_S)

    def stop(self, number: signal.Signals = signal.SIGTERM, grace_s: float = 30) -> int:
        return self._running().end(number, grace_s)

    def send(self, number: signal.Signals) -> None:
        """Signal the master."""
        self._running().send(number)

    def close(self) -> None:
        if self.process is not None:
            self.process.end(signal.SIGTERM, 15)
        self.pgbouncer.close()

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        pid = self._running().pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(each) for each in children]

    def crashes(self) -> list[str]:
        """What the master has logged about workers that were ended by a signal which no test sends, as SIGSEGV."""
        return [line for line in self.log.read_text().splitlines() if re.search(r"was sent SIG(?!KILL|TERM)", line)]

    def complete(self) -> bool:
        """Whether there are as many workers as there should be and the service is ready."""
        return len(self.workers()) >= self._workers and self.ask(Request("GET", "/api/v1/health/ready")).status == 200

    def ask(self, request: Request) -> Answer:
        """Send on a new connection."""
        connection = Connection(self.name, self.port)
        try:
            return connection.send(request)
        finally:
            connection.close()

    def ask_every_worker(self, request: Request) -> list[Answer]:
        """The answer of each worker; fewer than there are workers if the kernel gave one of them no connection."""
        connections = Connections({self.name: self.port}, self._workers)
        try:
            return [each.send(request) for each in connections.all()]
        finally:
            connections.close()

    def every_worker_answers(self, request: Request, status: int) -> bool:
        """Whether each worker was asked and answered with `status`: each follows a change by itself."""
        return [each.status for each in self.ask_every_worker(request)] == [status] * self._workers

    def wait_until_ok(self) -> None:
        """Wait until all workers run and the health of each is ok."""
        wait_for(lambda: self.complete() and self._healthy_workers() == self._workers, f"pod {self.name} ok")

    def _healthy_workers(self) -> int:
        bodies = [each.body for each in self.ask_every_worker(Request("GET", "/api/v1/health"))]
        return sum(isinstance(body, dict) and body.get("status") == "ok" for body in bodies)

    def health(self) -> str:
        """`ok`, `degraded` or `unavailable`; empty without a response."""
        body = self.ask(Request("GET", "/api/v1/health")).body
        return str(body.get("status", "")) if isinstance(body, dict) else ""

    def environment(self) -> dict[str, str]:
        """The variables of its processes."""
        return self._shared.environment() | {
            "PORT": str(self.port),
            "WORKER": self.kind,
            "WORKERS": str(self._workers),
            "THREADS": "64",
            "DATABASE_URL": self.pgbouncer.url_of(self._shared.database),
            "PGBOUNCER_CONSOLE_URL": self.pgbouncer.console_url,
            "MEMCACHED_SERVERS": ",".join(each.address for each in self.memcached),
        }

    def _running(self) -> Process:
        if self.process is None:
            raise LocalError(f"pod {self.name} has not been started")
        return self.process


class Stranger(Pod):
    """A pod with another log than the database's record; it never gets ready and counts as started once it says why."""

    def complete(self) -> bool:
        answer = self.ask(Request("GET", "/api/v1/health/ready"))
        refused = answer.status == 503 and "log of changes" in answer.body.get("detail", "")
        return len(self.workers()) >= self._workers and refused


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    """Wait until `condition()` holds; AssertionError naming `what` after `timeout_s`."""
    assert becomes_true(condition, timeout_s), f"timed out after {timeout_s:g} s: {what}"


def _statements() -> list[str]:
    from app.main import preparation

    return [preparation().connect_query]
