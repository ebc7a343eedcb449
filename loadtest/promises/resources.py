"""Connections, memory and cores that are used, beside the usual stack at the same load."""

import math
import os
import re
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.local.process import LocalError, becomes_true
from loadtest.bed import ME, PASSWORD, START_S, Bed, Service
from loadtest.client import encoded
from loadtest.connections.__main__ import held, rows, worker_pids
from loadtest.openloop import Outcome, Plan, generate
from loadtest.peers.sides import FASTAPI, OURS, Side, opened
from loadtest.processes import processor_seconds
from loadtest.promises.results import Promise
from loadtest.promises.store import Connections, server_connections, set_pool
from loadtest.scenarios import FULL, Effort
from loadtest.statistics import percentile
from loadtest.wrk import Load, measure

KEPT_CONNECTIONS = 25_000
POOL = 4
"""Server connections that PgBouncer may open in this comparison."""

COLD_RATE, WARM_RATE, CLIENTS = 500, 1_000, 64
FEWER, LESS_MEMORY, BUSY = 0.60, 0.20, 0.90


HASHERS = 8
"""Connections that log in: enough to keep the threads that hash busy, without filling their queue."""

MUCH = 10_000
"""Requests/s for which the memory of several processes is computed."""


@dataclass(frozen=True, slots=True)
class Used:
    """At one load: what was answered, and bytes of memory of all processes of the stack."""

    outcome: Outcome
    memory: int

    @property
    def complete(self) -> bool:
        return self.outcome.share(200) == 1


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one core each: what the workers and the load generator used, and what nobody did."""

    workers: list[float]
    generator: float
    idle: float

    @property
    def used(self) -> float:
        """What they used, as a share of what was not used by other programs."""
        return (sum(self.workers) + self.generator) / (sum(self.workers) + self.generator + self.idle)

    def __str__(self) -> str:
        workers = " and ".join(f"{each:.0%}" for each in self.workers)
        return (
            f"{self.used:.0%} of what other programs left: {workers} of a core by the workers, {self.generator:.0%} by "
            f"the load generator; {self.idle:.0%} idle"
        )


def kept_connections(bed: Bed, effort: Effort) -> list[Promise]:
    """The connections of `make connections` on two workers."""
    wanted = KEPT_CONNECTIONS if effort == FULL else KEPT_CONNECTIONS // 10
    found = rows(held(bed, 2, wanted))
    lost = any(row.met is False for row in found)
    told = "; ".join(f"{row.what.partition(': ')[2]}: {row.measured}" for row in found if "users/me" in row.what)
    measured = f"{wanted:,} held and used five times each, {'some' if lost else 'none'} lost; {told}"
    return [Promise(f"{KEPT_CONNECTIONS:,} connections", f"{KEPT_CONNECTIONS:,}", measured, not lost)]


def database_connections(bed: Bed, effort: Effort) -> list[Promise]:
    """One process of each stack; each request of ours has to ask PostgreSQL, as the session is new to the worker."""
    console, counting = bed.environment["PGBOUNCER_CONSOLE_URL"], Connections(bed.postgres.direct_url)
    with _pool_of(console, POOL), opened(bed, None) as sides:
        ours, usual = _named(sides)
        requests = int(effort.seconds * COLD_RATE)
        used = _at(ours, COLD_RATE, requests), _at(usual, COLD_RATE, requests)
        held_by = server_connections(console), _held(usual.service, counting)
    counting.close()
    fewer, fair = 1 - held_by[0] / held_by[1], all(each.complete for each in used)
    measured = (
        f"{fewer:.0%} fewer: {held_by[0]} (PgBouncer may open {POOL}) : {held_by[1]} (asyncpg's pool) for one process "
        f"at {COLD_RATE}/s of {CLIENTS} connections; {_times(used[0])} : {_times(used[1])} ms{_unfair(used)}"
    )
    what = "fewer database connections, beside FastAPI + asyncpg"
    return [Promise(what, "60 % fewer", measured, fair and fewer >= FEWER)]


def memory(bed: Bed, effort: Effort) -> list[Promise]:
    """One process of each at the same load of 10,000 users in turn; and for a rate that takes several processes."""
    requests = 10_000 + int(effort.seconds * WARM_RATE)
    with opened(bed, None) as sides:
        used = [_at(side, WARM_RATE, requests) for side in _named(sides)]
        rates = [_most(side, effort.seconds) for side in _named(sides)]
    less, fair = 1 - used[0].memory / used[1].memory, all(each.complete for each in used)
    measured = (
        f"{_change(less)}: {_mb(used[0].memory)} (master and worker) : {_mb(used[1].memory)} at {WARM_RATE:,}/s, "
        f"10,000 users in turn{_unfair(used)}"
    )
    processes = [math.ceil(MUCH / rate) for rate in rates]
    several = [number * each.memory for number, each in zip(processes, used, strict=True)]
    much_less = 1 - several[0] / several[1]
    computed = (
        f"{_change(much_less)}: {processes[0]} x {_mb(used[0].memory)} : {processes[1]} x {_mb(used[1].memory)}, "
        f"computed from {rates[0]:,.0f}/s : {rates[1]:,.0f}/s of one process"
    )
    return [
        Promise("memory beside FastAPI + asyncpg, one process", "20-40 % less", measured, fair and less >= LESS_MEMORY),
        Promise(f"memory for {MUCH:,} requests/s", "20-40 % less", computed, much_less >= LESS_MEMORY),
    ]


def cores(bed: Bed, effort: Effort) -> list[Promise]:
    """As many workers as cores: logins, whose hashing needs the processor, and cached reads beside their generator."""
    seconds, number = 2 * effort.seconds, len(os.sched_getaffinity(0))
    with bed.service(WORKERS=str(number)) as service:
        token = service.login("user7@example.com")
        bodies = ({"email": f"user{each}@example.com", "password": PASSWORD} for each in range(1, 501))
        requests = [encoded("POST", "/api/v1/auth/login", body=each).decode() for each in bodies]
        plan = Plan(service.port, requests, int(20 * number * seconds), float("inf"), HASHERS)
        hashing = _shares(service, lambda: generate(plan))
        reading = _shares(service, lambda: measure(Load(service.port, [ME], token, seconds)))
    return [
        Promise(f"all cores used: logins on {number} workers", f">= {BUSY:.0%}", str(hashing), hashing.used >= BUSY),
        Promise(f"cached reads on {number} workers", "", str(reading)),
    ]


def _named(sides: Sequence[Side]) -> tuple[Side, Side]:
    """Ours and the usual stack."""
    by_name = {side.name: side for side in sides}
    return by_name[OURS], by_name[FASTAPI]


def _at(side: Side, rate: float, count: int) -> Used:
    """Profiles of different users at this rate."""
    requests = [encoded("GET", ME, token).decode() for token in side.tokens]
    outcome = generate(Plan(side.service.port, requests, count, rate, CLIENTS))
    return Used(outcome, _memory(side.service))


def _most(side: Side, seconds: float) -> float:
    """Requests/s of the same in a closed loop."""
    return measure(Load(side.service.port, [ME], "", seconds, CLIENTS, tokens=side.tokens)).per_second


def _memory(service: Service) -> int:
    """Bytes of the process and its children; what they share with others counts in parts (PSS)."""
    pids = [service.process.pid, *worker_pids(service)]
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024 for text in texts)


def _held(service: Service, counting: Connections) -> int:
    """How many connections to PostgreSQL end with the process. Raises LocalError if none does."""
    before = counting.count()
    service.process.end()
    if not becomes_true(lambda: counting.count() < before, START_S):
        raise LocalError("the peer had no connection to PostgreSQL")
    time.sleep(0.5)
    return before - counting.count()


@contextmanager
def _pool_of(console: str, size: int) -> Iterator[None]:
    """PgBouncer's pool with this size, as the operator sets it."""
    before = set_pool(console, size)
    try:
        yield
    finally:
        set_pool(console, before)


def _shares(service: Service, load: Callable[[], object]) -> "Shares":
    """Who had the cores while the load ran."""
    pids = worker_pids(service)

    def times() -> list[float]:
        return [*map(processor_seconds, pids), _of_children(), _idle(), time.perf_counter()]

    before = times()
    load()
    *workers, generator, idle, elapsed = (now - then for now, then in zip(times(), before, strict=True))
    return Shares([each / elapsed for each in workers], generator / elapsed, idle / elapsed)


def _idle() -> float:
    """Seconds that all cores together have had nothing to do."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def _of_children() -> float:
    """Processor seconds of the ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _mb(number: int) -> str:
    return f"{number / 1e6:.0f} MB"


def _change(less: float) -> str:
    return f"{less:.0%} less" if less >= 0 else f"{-less:.0%} more"


def _times(used: Used) -> str:
    taken = used.outcome.latencies_ms
    return f"p50 {percentile(taken, 0.5):.1f}, p99 {percentile(taken, 0.99):.1f}"


def _unfair(used: Sequence[Used]) -> str:
    return "" if all(each.complete for each in used) else "; not every request was answered with 200"
