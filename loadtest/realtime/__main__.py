"""The command line: `python -m loadtest.realtime [--quick]`; exit code 1 if a target is missed."""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from app.auth.tokens import AccessTokens
from app.errors import ConfigError, ProductError
from app.infra.secrets.key_ring import KeyRing
from app.local.postgres import free_port
from app.local.process import LocalError
from loadtest.bed import START_S, Bed, Service
from loadtest.processes import processor_seconds, resident_bytes
from loadtest.realtime.crowd import PROCESSES, Crowd
from loadtest.realtime.store import Writer
from loadtest.report import Row, machine, table
from loadtest.statistics import percentile

OPEN_S, MEMORY_MB, TO_MANY_MS, TO_ONE_MS = 60.0, 400, 300.0, 200.0
RATE, REPEATS, LONGEST_S = 100, 5, 30.0


@dataclass(frozen=True, slots=True)
class Effort:
    """`many` connections of one account, `single` accounts with one each, events for single accounts for `seconds`."""

    many: int
    single: int
    seconds: int


FULL, QUICK = Effort(10_000, 8_000, 20), Effort(1_200, 800, 5)


class Ground:
    """The connected clients, and the writer of events. The clients of the one account come first."""

    def __init__(self, bed: Bed, crowd: Crowd, effort: Effort) -> None:
        self._crowd, self._effort = crowd, effort
        self.writer = Writer(bed.postgres.direct_url)
        emails = ["user1@example.com"] * effort.many + [f"user{n + 2}@example.com" for n in range(effort.single)]
        tokens = AccessTokens(KeyRing(bed.settings.keys_dir, "EdDSA"), bed.settings)  # type: ignore[arg-type]
        sessions = self.writer.insert_sessions(emails)
        self._tokens = [tokens.issue(*each) for each in sessions]
        self._user_ids = [user_id for user_id, _ in sessions]
        self._number = 0

    def open(self) -> tuple[int, float]:
        return self._crowd.open(self._tokens, 2 * OPEN_S)

    def to_one_account(self) -> tuple[list[float], int]:
        """An event for the account with many connections."""
        return self._crowd.hear(_shares(range(self._effort.many)), LONGEST_S, lambda: self._send(self._user_ids[:1]))

    def to_many_accounts(self) -> tuple[list[float], int]:
        """An event for each of the other accounts, in one transaction."""
        numbers = range(self._effort.many, len(self._user_ids))
        return self._crowd.hear(_shares(numbers), LONGEST_S, lambda: self._send([self._user_ids[n] for n in numbers]))

    def one_by_one(self) -> tuple[list[float], int]:
        """RATE events a second, each for another account."""
        chosen = random.Random(1).choices(range(self._effort.many, len(self._user_ids)), k=RATE * self._effort.seconds)

        def act() -> dict[int, float]:
            sent: dict[int, float] = {}
            due = time.perf_counter()
            for number in chosen:
                due += 1 / RATE
                time.sleep(max(due - time.perf_counter(), 0))
                sent |= self._send([self._user_ids[number]])
            return sent

        return self._crowd.hear(_shares(chosen), self._effort.seconds + LONGEST_S, act)

    def _send(self, user_ids: Sequence[int]) -> dict[int, float]:
        """Counted from before the transaction, so that its own time is included."""
        self._number += 1
        began = time.perf_counter()
        self.writer.send(self._number, user_ids)
        return {self._number: began}


def _shares(numbers: Sequence[int]) -> list[int]:
    """How many of these clients each process has."""
    return [sum(number % PROCESSES == each for number in numbers) for each in range(PROCESSES)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the clients, send events, and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.realtime", description="Send events to many clients.")
    parser.add_argument("--quick", action="store_true", help="2,000 clients instead of 18,000")
    effort = QUICK if parser.parse_args(arguments).quick else FULL
    where = machine()
    try:
        with Bed.opened() as bed:
            bed.write_tuning({"accounts": {"streams_per_user": effort.many}})
            # The service begins the era of events, as on every new database.
            with bed.service(), gateway(bed) as service, Crowd(service.port) as crowd:
                rows = list(measured(Ground(bed, crowd, effort), service.process.pid, effort))
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"realtime: {error}", file=sys.stderr)
        return 1
    print(f"\n{where}\none gateway; its clients, PostgreSQL and memcached on the same cores\n\n{table(rows)}")
    return 1 if any(row.met is False for row in rows) else 0


@contextmanager
def gateway(bed: Bed) -> Iterator[Service]:
    """The realtime gateway on the servers of the bed."""
    port = free_port()
    variables = bed.environment | {"REALTIME_PORT": str(port)}
    with bed.running("the gateway", ["-m", "app", "realtime"], port, variables) as service:
        service.process.wait_until(lambda: service.ready("/health/ready"), START_S)
        yield service


def measured(ground: Ground, pid: int, effort: Effort) -> Iterator[Row]:
    """The rows of the table; memory and processor time are those of the gateway alone."""
    clients, empty = effort.many + effort.single, resident_bytes(pid)
    began = processor_seconds(pid)
    opened, seconds = ground.open()
    spent = processor_seconds(pid) - began
    told = f"{opened:,} in {seconds:.1f} s, {1e3 * spent / clients:.2f} ms of processor time each"
    yield Row(f"{clients:,} WebSockets opened", told, f"{OPEN_S:.0f} s", opened == clients and seconds <= OPEN_S)
    full = resident_bytes(pid)
    each = (full - empty) / clients / 1000
    told = f"{full / 1e6:.0f} MB resident, {each:.1f} kB a connection"
    yield Row("memory", told, f"<= {MEMORY_MB} MB", full <= MEMORY_MB * 1e6)
    began = processor_seconds(pid)
    runs = [ground.to_one_account() for _ in range(REPEATS)]
    spent = (processor_seconds(pid) - began) / REPEATS
    yield _delays(f"an event to {effort.many:,} of them", runs, TO_MANY_MS)
    yield Row("processor time of such an event", f"{1e3 * spent:.0f} ms")
    others = [ground.to_many_accounts() for _ in range(REPEATS)]
    yield _delays(f"a transaction with events for {effort.single:,} accounts", others)
    began = processor_seconds(pid)
    found = ground.one_by_one()
    share = (processor_seconds(pid) - began) / effort.seconds
    yield _delays(f"{RATE} events a second, commit to client", [found], TO_ONE_MS)
    yield Row("processor time meanwhile", f"{share:.0%} of a core")
    yield Row("memory at the end", f"{resident_bytes(pid) / 1e6:.0f} MB resident")


def _delays(what: str, runs: Sequence[tuple[list[float], int]], target_ms: float | None = None) -> Row:
    taken, lost = [ms for found, _ in runs for ms in found], sum(missing for _, missing in runs)
    if not taken:
        return Row(what, "none arrived", met=False)
    p99 = percentile(taken, 0.99)
    told = f"p50 {percentile(taken, 0.5):.0f}, p99 {p99:.0f}, slowest {max(taken):.0f} ms; {lost} lost"
    if target_ms is None:
        return Row(what, told, met=False if lost else None)
    return Row(what, told, f"p99 <= {target_ms:.0f} ms", p99 <= target_ms and not lost)


if __name__ == "__main__":
    sys.exit(main())
