"""What the caches are good for: the hit rate, the rate of requests with and without them, and batches."""

import math
import random
import re
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from app.config import Caches
from app.local.process import LocalError
from loadtest.bed import Bed, Service
from loadtest.client import encoded
from loadtest.openloop import Plan, generate
from loadtest.peers.drawing import EXPONENT, zipf
from loadtest.promises.results import Promise
from loadtest.promises.store import add_users
from loadtest.scenarios import Effort
from loadtest.wrk import Load, measure

USERS = 100_000
SEED = 5
FILLED_BY = 500_000
"""Lookups that have filled the caches before; sent in batches, which is faster."""

OFF: Mapping[str, Any] = {
    "cache": {
        "user": {"capacity": 1, "ttl_seconds": 1},
        "blacklist": {"capacity": 1, "ttl_seconds": 1},
        "answers_bytes": 0,
        "lease_ms": 0,
    }
}
"""Live settings with which each request asks memcached for changes, the session and the user."""

READ = 2_000
BATCH = 100


def hit_rate(bed: Bed, effort: Effort) -> list[Promise]:
    """Profiles of users by Zipf's law, of whom a tenth fits into the worker's cache."""
    add_users(bed.postgres.direct_url, USERS)
    with bed.service() as service:
        token = service.login("user4@example.com")
        chance, lookups = random.Random(SEED), 25 * effort.samples
        filling = [number + 1 for number in zipf(USERS, FILLED_BY, chance)]
        _ask(service, token, [_batch(filling[first : first + BATCH]) for first in range(0, FILLED_BY, BATCH)])
        before = facts(service, "user")
        _ask(service, token, [f"/api/v1/users/{number + 1}" for number in zipf(USERS, lookups, chance)])
        misses = facts(service, "user")[1] - before[1]
    kept = Caches().user.capacity
    rate = 1 - misses / lookups
    measured = (
        f"{rate:.1%} of {lookups:,} lookups without PostgreSQL, after {FILLED_BY:,} have filled the caches; {kept:,} "
        f"of {USERS:,} users fit into the worker's, exponent {EXPONENT:g}: by itself it could have "
        f"{share_of_first(kept, USERS):.1%} at most, memcached has others"
    )
    return [Promise("hit rate, users by Zipf's law", "85-95 % or more", measured, rate >= 0.85)]


def with_caches(bed: Bed, effort: Effort) -> list[Promise]:
    """The same worker in turn with its caches and, by live settings, without."""
    paths = [f"/api/v1/users/{number}" for number in range(1, READ + 1)]
    rates: dict[str, list[float]] = {"on": [], "off": []}
    with bed.service() as service:
        token = service.login("user5@example.com")
        for _ in range(effort.rounds):
            for name, measured_rates in rates.items():
                with _tuned(bed, service, OFF if name == "off" else {}):
                    measure(Load(service.port, paths, token, 1))
                    measured_rates.append(measure(Load(service.port, paths, token, effort.seconds)).per_second)
    ratio = median(on / off for on, off in zip(rates["on"], rates["off"], strict=True))
    measured = (
        f"{ratio:.1f} times: {median(rates['on']):,.0f}/s with the worker's caches, {median(rates['off']):,.0f}/s "
        f"without, then from memcached; {READ:,} users in turn"
    )
    return [Promise("requests/s with caching", "3-5 times or more", measured, ratio >= 3)]


def batches(bed: Bed, effort: Effort) -> list[Promise]:
    """One request for 100 users beside 100 requests for one each, for one client and for many."""
    ids = range(1, BATCH + 1)
    together = [_batch(ids)]
    alone = [f"/api/v1/users/{each}" for each in ids]
    found = []
    with bed.service() as service:
        token = service.login("user6@example.com")
        for connections, name in ((1, "one client waits"), (64, "time of the server")):
            saved, times = _saved(service, token, (together, alone), connections, effort)
            measured = f"{saved:.1%} less ({times[0]:.2f} : {times[1]:.2f} ms)"
            what = f"batch of {BATCH} beside {BATCH} single requests, {name}"
            found.append(Promise(what, "70-80 % less or better", measured, saved >= 0.7))
    return found


def share_of_first(kept: int, number: int) -> float:
    """The share of draws that are among the `kept` most frequent ones: what a cache has that always has those."""
    first, all_ = (math.fsum(rank**-EXPONENT for rank in range(1, last + 1)) for last in (kept, number))
    return first / all_


def _saved(
    service: Service, token: str, sides: tuple[list[str], list[str]], connections: int, effort: Effort
) -> tuple[float, list[float]]:
    """The median share that a batch saves, and the median milliseconds for all users on each side."""
    rounds = []
    for _ in range(effort.rounds):
        loads = [measure(Load(service.port, paths, token, effort.seconds / 2, connections)) for paths in sides]
        rounds.append([1000 * len(paths) / load.per_second for paths, load in zip(sides, loads, strict=True)])
    times = [median(side) for side in zip(*rounds, strict=True)]
    return median(1 - batch / single for batch, single in rounds), times


@contextmanager
def _tuned(bed: Bed, service: Service, tuning: Mapping[str, Any]) -> Iterator[None]:
    bed.tune(service, tuning)
    yield
    if tuning:
        bed.tune(service, {})


def _batch(numbers: Iterable[int]) -> str:
    return "/api/v1/users/batch?ids=" + ",".join(map(str, dict.fromkeys(numbers)))


def _ask(service: Service, token: str, paths: Sequence[str]) -> None:
    requests = [encoded("GET", path, token).decode() for path in paths]
    outcome = generate(Plan(service.port, requests, len(requests), float("inf"), 16))
    if outcome.share(200) != 1:
        raise LocalError(f"every answer should have been 200: {outcome.statuses}")


def facts(service: Service, kind: str) -> tuple[int, int]:
    """Facts of this kind found without PostgreSQL, and read from it, so far; answers that are kept ask for none."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return _counted(text, "hits", kind), _counted(text, "misses", kind)


def _counted(text: str, name: str, kind: str) -> int:
    """The counter in the text of `/metrics`."""
    found = re.search(rf'^jobfinder_fact_{name}_total{{kind="{kind}"}} (\S+)$', text, re.MULTILINE)
    if found is None:
        raise LocalError(f"the service shows no jobfinder_fact_{name}_total")
    return int(float(found[1]))
