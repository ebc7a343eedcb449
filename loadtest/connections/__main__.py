"""The command line: `python -m loadtest.connections`; exit code 1 if a connection hangs or is lost."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError, ProductError
from app.local.process import LocalError
from loadtest.bed import ME, Bed, Service
from loadtest.client import encoded
from loadtest.connections.client import Outcome
from loadtest.connections.crowd import Crowd
from loadtest.processes import descriptors, resident_bytes
from loadtest.report import Row, machine, table
from loadtest.statistics import percentile

LIVE = "/api/v1/health/live"
RUNS = ((2, 25_000), (1, 12_000))
AT_ONCE, ALL_AT_ONCE = 32, 100_000
KEPT_PROFILE, ALL_PROFILES = "kept, GET users/me", "kept, GET users/me, all at once"


def main(arguments: Sequence[str] | None = None) -> int:
    """Open and use the connections, and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.connections", description="Hold many kept connections.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the connections")
    given = parser.parse_args(arguments)
    where, found = machine(), []
    try:
        with Bed.opened() as bed:
            for workers, connections in RUNS:
                print(f"[connections] {connections:,} over {workers} worker(s)", flush=True)
                found += rows(held(bed, workers, connections // 10 if given.quick else connections))
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"connections: {error}", file=sys.stderr)
        return 1
    print(f"\n{where}\nthe real service; its clients on the same cores\n\n{table(found)}")
    return 1 if any(row.met is False for row in found) else 0


@dataclass(frozen=True, slots=True)
class Held:
    """What was measured of connections that all stay open; the resident bytes are those of all workers.

    `in_turn` were used a few at a time, `together` all at once.
    """

    workers: int
    connections: int
    in_turn: dict[str, Outcome]
    together: dict[str, Outcome]
    descriptors: list[int]
    empty_bytes: int
    kept_bytes: int
    burst_bytes: int


def held(bed: Bed, workers: int, connections: int) -> Held:
    """Use each connection five times while all stay open: first a few at a time, then all at once."""
    with bed.service(WORKERS=str(workers)) as service:
        live, me = encoded("GET", LIVE), encoded("GET", ME, service.login("user1@example.com"))
        with Crowd(100 * workers, service.port) as few:
            few.open(me, AT_ONCE)
        empty = _resident(service)
        with Crowd(connections, service.port) as crowd:
            in_turn = {
                "opened, GET health/live": crowd.open(live, AT_ONCE),
                KEPT_PROFILE: crowd.ask(me, AT_ONCE),
                "kept, GET health/live": crowd.ask(live, AT_ONCE),
            }
            kept, shares = _resident(service), [descriptors(pid) for pid in worker_pids(service)]
            together = {
                ALL_PROFILES: crowd.ask(me, ALL_AT_ONCE),
                "kept, GET health/live, all at once": crowd.ask(live, ALL_AT_ONCE),
            }
            burst = _resident(service)
    return Held(workers, connections, in_turn, together, shares, empty, kept, burst)


def rows(it: Held) -> list[Row]:
    """A row for each use, which is met when no connection was lost, and what a connection takes."""
    name = f"{it.connections:,} on {it.workers} worker{'s' if it.workers > 1 else ''}"
    return [
        *(_row(f"{name}: {what}", each, it.connections) for what, each in (it.in_turn | it.together).items()),
        Row(f"{name}: descriptors of each worker", " and ".join(f"{share:,}" for share in it.descriptors)),
        Row(f"{name}: memory of a connection", _told(it.empty_bytes, it.kept_bytes, it.connections)),
        Row(f"{name}: the same after all at once", _told(it.empty_bytes, it.burst_bytes, it.connections)),
    ]


def _told(empty: int, full: int, connections: int) -> str:
    each, all_ = (full - empty) / connections / 1000, full / 1e6
    return f"{each:.1f} kB resident, {all_:.0f} MB with the workers themselves"


def _row(what: str, outcome: Outcome, connections: int) -> Row:
    told = f"{outcome.answered:,} answered in {outcome.seconds:.1f} s"
    if taken := outcome.latencies_ms:
        told += (
            f", p50 {percentile(taken, 0.5):.0f} ms, p99 {percentile(taken, 0.99):.0f} ms, slowest {max(taken):.0f} ms"
        )
    told += "".join(f", {number} x {why}" for why, number in outcome.failures.items())
    return Row(what, told, f"{connections:,}", outcome.answered == connections and not outcome.failures)


def _resident(service: Service) -> int:
    return sum(resident_bytes(pid) for pid in worker_pids(service))


def worker_pids(service: Service) -> list[int]:
    """The process ids of the workers."""
    pid = service.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


if __name__ == "__main__":
    sys.exit(main())
