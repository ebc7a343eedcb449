"""Local PgBouncers as pods, with the operator's decisions applied to them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg2

from app.infra.pgbouncer.ini import pool
from app.local.pgbouncer import PgBouncer
from app.local.postgres import DATABASE
from app.local.process import LocalError, becomes_true
from jobfinder_operator.deciding.budget import Decision, Shrink, decide
from jobfinder_operator.deciding.ledger import Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.shares import Demands, measure
from jobfinder_operator.deciding.snapshot import PodSeen, Reading, Snapshot

SETTLE_S = 10.0
MICRO = 1e-6


class Pod:
    """One PgBouncer's console, on one connection that stays open."""

    def __init__(self, name: str, pooler: PgBouncer) -> None:
        self.name = name
        psycopg2.connect(pooler.url).close()  # PgBouncer creates the pool on the first client connection
        self._connection = psycopg2.connect(pooler.console_url)
        self._connection.autocommit = True

    def read(self) -> Reading:
        at = time.monotonic()
        size = next(int(row["value"]) for row in self._rows("SHOW CONFIG") if row["key"] == "default_pool_size")
        (row,) = self._ours("SHOW POOLS")
        (sums,) = self._ours("SHOW STATS")
        return Reading(
            at,
            self.name,
            size,
            self.servers(),
            int(row["sv_active"]),
            int(row["cl_active"]),
            int(row["cl_waiting"]),
            busy_seconds=int(sums["total_xact_time"]) * MICRO,
            wait_seconds=int(sums["total_wait_time"]) * MICRO,
        )

    def servers(self) -> int:
        return len(self._ours("SHOW SERVERS"))

    def resize(self, size: int) -> None:
        """Resize the pool; returns when no more connections than `size` are open. Raises LocalError."""
        for name, value in pool(size).items():
            self._rows(f"SET {name} = {value}")
        if self.servers() > size:
            self._rows(f"RECONNECT {DATABASE}")
        if not becomes_true(lambda: self.servers() <= size, SETTLE_S):
            raise LocalError(f"{self.name} did not shrink to {size} connections")

    def _ours(self, command: str) -> list[dict[str, Any]]:
        return [row for row in self._rows(command) if row["database"] == DATABASE]

    def _rows(self, command: str) -> list[dict[str, Any]]:
        cursor = self._connection.cursor()
        cursor.execute(command)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []


@dataclass
class Division:
    """Runs operator rounds over `pods` without a cluster; `ledger` is kept in memory."""

    pods: Sequence[Pod]
    parameters: Parameters
    ledger: Ledger
    demands: Demands = Demands()  # noqa: RUF009 - it is empty and immutable

    def round(self) -> Decision:
        """Read, decide, record, act."""
        seen = tuple(PodSeen(pod.name, pod.name, born_with=1, reading=pod.read()) for pod in self.pods)
        self.demands = measure(self.demands, seen)
        now = time.monotonic()
        decision = decide(self.parameters, self.ledger, Snapshot(now, seen, demands=self.demands.levels), now)
        self.ledger = decision.ledger
        by_name = {pod.name: pod for pod in self.pods}
        for step in sorted(decision.steps, key=lambda step: not isinstance(step, Shrink)):
            by_name[step.uid].resize(step.to)
        return decision


def equal_shares(pods: Sequence[Pod], budget: int) -> Mapping[str, int]:
    """Resize all pools to equal shares, shrinks first; returns the sizes by pod name."""
    share = budget // len(pods)
    for pod in sorted(pods, key=lambda pod: -pod.read().pool_size):
        pod.resize(share)
    return {pod.name: share for pod in pods}


def division(pods: Sequence[Pod], budget: int) -> Division:
    """A `Division` that starts with the pods' present sizes."""
    parameters = Parameters(budget, len(pods), headroom=0, per_pod_max=budget, holder="benchmark", moves_per_minute=60)
    known = decide(parameters, Ledger("benchmark"), _seen(pods), time.monotonic())
    return Division(pods, parameters, replace(known.ledger, moves=()))


def _seen(pods: Sequence[Pod]) -> Snapshot:
    at = time.monotonic()
    return Snapshot(at, tuple(PodSeen(pod.name, pod.name, born_with=1, reading=pod.read()) for pod in pods))
