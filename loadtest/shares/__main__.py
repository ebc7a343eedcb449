"""`python -m loadtest.shares`: p99 wait for a pooled connection under uneven load, with the same budget."""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from loadtest.shares.load import HELD_S, start
from loadtest.shares.pods import Division, Pod, division, equal_shares
from loadtest.statistics import percentile

BUDGET = 16
BUSY = (3.6, 1.2, 0.6, 0.6)  # connections that each pod's clients keep in use: 6 of 16, 3.6 of an equal share of 4
CLIENTS = (32, 16, 8, 8)
ROUND_S = 1.0


@dataclass
class Side:
    """`waits` in seconds, of all pods and rounds; `most`: the most connections at one time."""

    name: str
    waits: list[float] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    most: int = 0


@dataclass(frozen=True)
class Times:
    """Seconds to warm up (the operator measures demand) and to measure."""

    warm: float
    measured: float
    rounds: int


@contextmanager
def poolers(number: int) -> Iterator[list[PgBouncer]]:
    """PgBouncers in front of one PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="jobfinder-shares-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(Postgres(folder / "postgres", durable=False))
        yield [stack.enter_context(PgBouncer(postgres, pool_size=1)) for _ in range(number)]


def measure_round(side: Side, pods: Sequence[Pod], urls: Sequence[str], times: Times, turn: int) -> None:
    """One turn for one side; with each turn the load moves to the next pod."""
    order = [(number + turn) % len(urls) for number in range(len(urls))]
    loads = [start(url, CLIENTS[place], BUSY[place], turn) for url, place in zip(urls, order, strict=True)]
    sizes = equal_shares(pods, BUDGET)
    divided = None if side.name == "equal" else division(pods, BUDGET)
    _run(side, pods, divided, time.monotonic() + times.warm)
    end = time.time() + times.measured
    for _, connection in loads:
        connection.send(end)
    sizes = _run(side, pods, divided, time.monotonic() + times.measured) or sizes
    for process, connection in loads:
        side.waits += connection.recv()
        process.kill()
        process.join()
    side.sizes.append("/".join(str(sizes[pod.name]) for pod in pods))


def _run(side: Side, pods: Sequence[Pod], divided: Division | None, until: float) -> Mapping[str, int]:
    """Run operator rounds (none if `divided` is None) until the monotonic time `until`; returns the last sizes."""
    sizes: Mapping[str, int] = {}
    while time.monotonic() < until:
        if divided is not None:
            sizes = divided.round().targets
        side.most = max(side.most, sum(pod.servers() for pod in pods))
        time.sleep(ROUND_S)
    return sizes


def report(sides: Sequence[Side]) -> str:
    """The table and the ratio."""
    lines = ["shares       requests   p50 wait   p99 wait   most connections   sizes in each turn"]
    for side in sides:
        middle, slow = (1000 * percentile(side.waits, share) for share in (0.5, 0.99))
        lines.append(
            f"{side.name:10} {len(side.waits):10} {middle:7.1f} ms {slow:7.1f} ms {side.most:12} of {BUDGET}   "
            + ", ".join(side.sizes)
        )
    equal, demand = (percentile(side.waits, 0.99) for side in sides)
    return "\n".join([*lines, f"p99 wait, equal shares / shares by demand: {equal / demand:.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two turns of a few seconds")
    times = Times(8, 6, 2) if parser.parse_args().quick else Times(15, 15, 4)
    sides = (Side("equal"), Side("by demand"))
    print(
        f"{len(BUSY)} PgBouncers share {BUDGET} connections; clients keep {'/'.join(map(str, BUSY))} in use, "
        f"{1000 * HELD_S:.0f} ms each time; the load moves to the next pod with every turn"
    )
    with poolers(len(BUSY)) as servers:
        pods = [Pod(f"pod-{number}", server) for number, server in enumerate(servers)]
        urls = [server.url for server in servers]
        for turn in range(times.rounds):
            for side in sides if turn % 2 == 0 else reversed(sides):
                measure_round(side, pods, urls, times, turn)
    print(report(sides))


if __name__ == "__main__":
    main()
