"""Users in the table: lookups that have to ask PostgreSQL."""

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from app.local.process import LocalError
from loadtest.bed import Bed, Service
from loadtest.client import encoded
from loadtest.curves.results import Point
from loadtest.curves.store import settle, users_bytes
from loadtest.openloop import Plan, generate
from loadtest.promises.store import add_users
from loadtest.statistics import percentile

SIZES = {True: (10_000, 100_000, 1_000_000), False: (10_000, 100_000, 1_000_000, 10_000_000)}
"""By whether the run is quick."""

SAMPLES = {True: 1_000, False: 4_000}
FREE_BYTES_OF_A_USER = 1_500
"""Free disk space wanted for each user, with what PostgreSQL writes beside the table; else a size is left out."""

POSTGRES = {"max_wal_size": "4GB", "shared_buffers": "512MB"}
SEED = 3
FIRST_READS = 50


def measure(keep: Callable[[Point], None], *, quick: bool) -> None:
    """The same service over the same growing table; no user is looked up twice."""
    seen: set[int] = set()
    chance = random.Random(SEED)
    with Bed.opened(settings=POSTGRES) as bed:
        for size in SIZES[quick]:
            if shutil.disk_usage(bed.folder).free < size * FREE_BYTES_OF_A_USER:
                print(f"[curves] {size:,} users are left out: the disk is too full", flush=True)
                continue
            add_users(bed.postgres.direct_url, size)
            settle(bed.postgres.direct_url)
            drawn = [each for each in chance.sample(range(2, size), SAMPLES[quick] + FIRST_READS) if each not in seen]
            seen.update(drawn)
            table, indexes = users_bytes(bed.postgres.direct_url)
            sizes = {"users": size, "table_mb": table / 1e6, "indexes_mb": indexes / 1e6}
            with bed.service() as service:
                keep(sizes | _point(bed, service, drawn))


def _point(bed: Bed, service: Service, drawn: Sequence[int]) -> Point:
    token, numbers = service.login("user1@example.com"), drawn[FIRST_READS:]
    _lookups(service, token, drawn[:FIRST_READS])
    before = _postgres_seconds(bed)
    taken = _lookups(service, token, numbers)
    used = _postgres_seconds(bed) - before
    return {
        "p50_ms": percentile(taken, 0.5),
        "p99_ms": percentile(taken, 0.99),
        "postgres_us": used / len(numbers) * 1e6,
    }


def _lookups(service: Service, token: str, numbers: Sequence[int]) -> list[float]:
    """Milliseconds of each, by one client."""
    requests = [encoded("GET", f"/api/v1/users/{number}", token).decode() for number in numbers]
    outcome = generate(Plan(service.port, requests, len(requests), float("inf"), 1))
    if outcome.share(200) != 1:
        raise LocalError(f"every answer should have been 200: {outcome.statuses}")
    return outcome.latencies_ms


def _postgres_seconds(bed: Bed) -> float:
    """Processor time of PostgreSQL's processes, background ones too; each has one thread."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in bed.postgres.backends()) / 1e9
