"""Connections that are kept open, on two workers."""

from collections.abc import Callable

from app.local.process import LocalError
from loadtest.bed import Bed
from loadtest.connections.__main__ import ALL_PROFILES, KEPT_PROFILE, held, rows
from loadtest.curves.results import Point
from loadtest.statistics import percentile

CONNECTIONS = {True: (500, 2_500, 5_000), False: (1_000, 2_500, 5_000, 12_000, 25_000)}
WORKERS = 2


def measure(keep: Callable[[Point], None], *, quick: bool) -> None:
    """Each connection is used five times. Raises LocalError if one is lost."""
    with Bed.opened() as bed:
        for connections in CONNECTIONS[quick]:
            found = held(bed, WORKERS, connections)
            if lost := [row for row in rows(found) if row.met is False]:
                raise LocalError(f"{lost[0].what}: {lost[0].measured}")
            few, all_ = found.in_turn[KEPT_PROFILE], found.together[ALL_PROFILES]
            keep(
                {
                    "connections": connections,
                    "in_turn_p50_ms": percentile(few.latencies_ms, 0.5),
                    "in_turn_p99_ms": percentile(few.latencies_ms, 0.99),
                    "all_at_once_p50_ms": percentile(all_.latencies_ms, 0.5),
                    "all_at_once_p99_ms": percentile(all_.latencies_ms, 0.99),
                    "kb_each": (found.burst_bytes - found.empty_bytes) / connections / 1000,
                    "workers_mb": found.burst_bytes / 1e6,
                }
            )
