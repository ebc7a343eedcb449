"""Runs steady load and the checker of final logout against a Service while a test changes the system behind it."""

import dataclasses
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from loadtest.client import encoded
from tests.e2e.platform.load.checker import Checker, Meanwhile
from tests.e2e.platform.load.clients import WORKERS_MOST, Address, ServiceConnections, Tally
from tests.e2e.platform.load.report import Ask, Plan, Report
from tests.integration.finality.harness.history import Operation, Violation
from tests.integration.finality.harness.load import drive, populate
from tests.integration.finality.harness.people import Journal, Person, World
from tests.integration.finality.harness.rules import violations
from tests.pods.connections import Connection
from tests.pods.faults import Faults
from tests.pods.pod import wait_for

CHECKOUT = Path(__file__).resolve().parents[4]
USERS = 20
CALM_S = 180.0
log = logging.getLogger(__name__)


class Steady:
    """The clients of a plan in a process of their own, which ends with this one."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.platform.load.steady"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        self._write(json.dumps(dataclasses.asdict(plan)) + "\n")
        self.answered = self.failed = 0
        self._report: Report | None = None
        self._reader = threading.Thread(target=self._read, name="steady")
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def finish(self) -> Report:
        """Wait for pending responses and return the report; raises AssertionError if the client process failed."""
        self._end()
        assert self._report is not None, f"the steady clients ended with {self._process.returncode}"
        return self._report

    def _end(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._reader.join()
        self._process.wait()

    def _write(self, line: str) -> None:
        given: IO[str] | None = self._process.stdin
        assert given is not None
        given.write(line)
        given.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                told = json.loads(line)
                if "report" in told:
                    self._report = Report.of(told["report"])
                else:
                    self.answered, self.failed = told["answered"], told["failed"]


@dataclasses.dataclass(frozen=True)
class Load:
    """`rate` (requests per second) and `connections` of the steady clients; `actors`: clients of the checker."""

    rate: float = 800
    connections: int = 48
    actors: int = 5


ORDINARY = Load()


class Watch:
    """Progress while the load runs; report and violations once it has ended."""

    def __init__(self, steady: Steady, world: World, address: Address) -> None:
        self._steady, self.world, self.address = steady, world, address
        self.faults, self.tally = Faults(), Tally()
        self.report = Report()
        self.violations: list[Violation] = []
        self._phases: list[tuple[str, int, int]] = []

    @property
    def answered(self) -> int:
        """Requests so far, those of the checker among them."""
        return self._steady.answered + len(self.world.journal)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Name what the block does, for the summary."""
        start = time.monotonic_ns()
        try:
            yield
        finally:
            self._phases.append((name, start, time.monotonic_ns()))

    def wait_for_requests(self, number: int, timeout_s: float = 120) -> None:
        """Wait until `number` requests have been answered in total."""
        wait_for(lambda: self.answered >= number, f"{number} requests, {self.answered} so far", timeout_s)

    def wait_for_calm(self, requests: int = 2000) -> None:
        """Wait until `requests` steady requests in a row got the expected response."""
        mark = [self._steady.answered, self._steady.failed]

        def calm() -> bool:
            if self._steady.failed != mark[1]:
                mark[:] = [self._steady.answered, self._steady.failed]
            return self._steady.answered - mark[0] >= requests

        wait_for(calm, f"{requests} right answers in succession", CALM_S)

    def summary(self) -> str:
        """A readable text of several lines."""
        lines = [f"steady clients: {self.report.summary()}"]
        lines.append(f"checker: {len(self.world.journal)} operations, {len(self.violations)} violations")
        lines.append(f"  {len(self.tally.repeated)} reads repeated on a new connection")
        lines.append(f"  {len(self.tally.unreachable)} connections not made")
        lines += [_refusal(each) for each in self._unavailable()[:5]]
        lines += [self._told(*phase) for phase in self._phases]
        return "\n".join((*lines, *map(str, self.violations[:5]), *self.tally.unreachable[:5]))

    def _told(self, name: str, start: int, end: int) -> str:
        failed = [each for each in self.report.failures if each.end >= start and each.start <= end]
        repeated = [each for each in self.report.repeated if each.end >= start and each.start <= end]
        took = f"{name}: {(end - start) / 1e9:.1f} s, {len(failed)} failed, {len(repeated)} repeated"
        return "\n    ".join((took, *(each.told(start) for each in failed[:5])))

    def _unavailable(self) -> list[Operation]:
        """Operations of the checker that got a 503 or no response."""
        return [each for each in self.world.journal.operations if each.status in (0, 503)]

    def assert_final(self) -> None:
        """Every logout was final, and the faults explain every lost or unexpected response."""
        assert not self.violations, self.summary()

    def assert_nothing_failed(self) -> None:
        """Every request of every client got the expected response."""
        assert not self.report.failures, self.summary()
        assert not self.tally.unreachable, self.summary()
        assert not self._unavailable(), self.summary()
        self.assert_final()


def _refusal(operation: Operation) -> str:
    kind, status, code = operation.kind.value, operation.status, operation.code
    return f"  {kind}: {status} {code} ({operation.detail}), worker {operation.worker}"


@contextmanager
def watched(address: Address, load: Load = ORDINARY) -> Iterator[Watch]:
    """Run load until the block ends; then the watch has the results, and their summary is logged."""
    world = populate("", address.port, people=max(2 * load.actors, 6), host=address.host)
    over = threading.Event()
    with pressing(address, load) as steady:
        watch = Watch(steady, world, address)
        checker = Checker(lambda meanwhile: _drive(watch, load.actors, meanwhile), over)
        checker.start()
        try:
            yield watch
        finally:
            over.set()
            checker.join()
            watch.report = steady.finish()
            watch.violations = violations(world.journal.operations, watch.faults)
            log.info("%s", watch.summary())
    if checker.failure is not None:
        raise checker.failure


def _drive(watch: Watch, actors: int, meanwhile: Meanwhile) -> None:
    """Run actors of the finality tests."""
    drive(
        watch.world,
        {},
        operations=1,
        meanwhile=meanwhile,
        actors=actors,
        connect=lambda: ServiceConnections(watch.address, WORKERS_MOST, watch.tally),
    )


def pressing(address: Address, load: Load) -> Steady:
    """Start steady clients without the checker."""
    return Steady(Plan(address.host, address.port, asks(address), load.rate, load.connections))


def asks(address: Address, users: int = USERS) -> Sequence[Ask]:
    """Requests of steady users: mostly their own profile, sometimes others' profiles, edits, and logins of visitors.

    Visitors are separate users, because the number of sessions per user is limited.
    """
    connection, journal = Connection("", address.port, host=address.host), Journal()
    people = [person for _ in range(users) if (person := Person.register(connection, journal)) is not None]
    visitors = [person for _ in range(users) if (person := Person.register(connection, journal)) is not None]
    sessions = [session for person in people if (session := person.log_in(connection, journal)) is not None]
    connection.close()
    assert len(sessions) == len(visitors) == users, journal.operations
    found: list[Ask] = []
    for number, session in enumerate(sessions):
        own = f'"id":{session.person.id},'
        other = people[number - 1]
        found += [_ask("GET", "/api/v1/users/me", session.token, contains=own)] * 7
        found.append(_ask("GET", f"/api/v1/users/{other.id}", session.token, contains=f'"id":{other.id},'))
        found.append(
            _ask("GET", f"/api/v1/users/batch?ids={other.id},{session.person.id}", session.token, contains=own)
        )
        if number % 2:
            found.append(_ask("PATCH", "/api/v1/users/me", session.token, {"headline": f"Walks {number}"}, own))
        else:
            login = {"email": visitors[number].email, "password": visitors[number].secrets[0]}
            found.append(_ask("POST", "/api/v1/auth/login", "", login, '"access_token":"'))
    return found


def _ask(method: str, path: str, token: str, body: object = None, contains: str = "") -> Ask:
    return Ask(method, encoded(method, path, token, body).decode(), 200, contains)
