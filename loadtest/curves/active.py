"""Active users: how much of what they ask for the caches have, and what a worker needs for them."""

import random
from collections.abc import Callable, Sequence

from app.local.process import LocalError
from loadtest.bed import ME, Bed, Service
from loadtest.client import encoded
from loadtest.curves.results import Point
from loadtest.openloop import Plan, generate
from loadtest.peers.sides import issued
from loadtest.processes import resident_bytes
from loadtest.promises.caching import facts
from loadtest.promises.store import add_users
from loadtest.store import insert_sessions

ACTIVE = {True: (100, 1_000, 10_000, 20_000), False: (100, 1_000, 10_000, 20_000, 50_000, 100_000)}
REQUESTS = {True: 10_000, False: 40_000}
SEED, CONNECTIONS = 9, 16
UNLIMITED = "&options=-c%20statement_timeout%3D0"
"""For a statement that makes a session for each of them."""


def measure(keep: Callable[[Point], None], *, quick: bool) -> None:
    """Each active user reads the own profile once, then they read it at random; a new worker for each number."""
    most = ACTIVE[quick][-1]
    with Bed.opened() as bed:
        add_users(bed.postgres.direct_url, most)
        tokens = issued(bed, insert_sessions(bed.postgres.direct_url + UNLIMITED, most))
        requests = [encoded("GET", ME, token).decode() for token in tokens]
        for active in ACTIVE[quick]:
            with bed.service() as service:
                keep({"active": active} | _point(service, requests[:active], REQUESTS[quick]))


def _point(service: Service, requests: Sequence[str], count: int) -> Point:
    _ask(service, requests)
    chance = random.Random(SEED)
    drawn = chance.choices(requests, k=count)
    misses, used = facts(service, "session")[1], service.processor_seconds()
    rate = _ask(service, drawn)
    used, misses = service.processor_seconds() - used, facts(service, "session")[1] - misses
    return {
        "without_postgres": 1 - misses / count,
        "processor_us": used / count * 1e6,
        "per_second": rate,
        "memory_mb": resident_bytes(service.worker()) / 1e6,
    }


def _ask(service: Service, requests: Sequence[str]) -> float:
    """Requests/s in a closed loop."""
    outcome = generate(Plan(service.port, requests, len(requests), float("inf"), CONNECTIONS))
    if outcome.share(200) != 1:
        raise LocalError(f"every answer should have been 200: {outcome.statuses}")
    return outcome.per_second(CONNECTIONS)
