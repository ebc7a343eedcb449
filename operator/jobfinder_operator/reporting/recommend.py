"""Recommended sizes with reasons, from observed usage; they are not applied automatically."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from jobfinder_operator.deciding.budget import Decision
from jobfinder_operator.deciding.memory import MEGABYTE, most_megabytes
from jobfinder_operator.deciding.shares import PRESSED
from jobfinder_operator.deciding.snapshot import Snapshot, living
from jobfinder_operator.spec import Spec

USER_CAPACITY = 10_000  # the service's default
READS_AT_LEAST = 10_000  # fewer reads say nothing about the hit rate
SCARCE, PLENTY = 0.9, 0.25


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`field` is a path in the spec, such as `database.connectionBudget`."""

    field: str
    current: int
    value: int
    reason: str


def recommend(spec: Spec, observed: Snapshot, decision: Decision) -> tuple[Recommendation, ...]:
    """All recommendations, in a fixed order; empty if there are none."""
    return (
        *_budget(decision, observed),
        *_max_pods(spec, observed),
        *_per_pod_max(spec, observed, decision),
        *_memcached(spec, observed),
        *_users(spec, observed),
    )


def _budget(decision: Decision, observed: Snapshot) -> Iterator[Recommendation]:
    """More connections, by the square root staffing rule, if pods use most of their pools."""
    sums, entries = decision.sums, decision.ledger.pods
    short = {
        uid: need - entries[uid].cap
        for uid, demand in observed.demands.items()
        if uid in entries and demand > PRESSED * entries[uid].cap
        if (need := math.ceil(demand + 2 * math.sqrt(demand))) > entries[uid].cap
    }
    if short and sums.room < sum(short.values()) and not decision.unsettled:
        more = sum(short.values()) - max(0, sums.room)
        yield Recommendation(
            "database.connectionBudget",
            sums.budget,
            sums.budget + more,
            f"{len(short)} of {len(entries)} pods use more than {PRESSED:.0%} of their pools and {max(0, sums.room)} "
            f"connections are left to grant; PostgreSQL's max_connections must allow it",
        )


def _max_pods(spec: Spec, observed: Snapshot) -> Iterator[Recommendation]:
    declared, most = spec.database.max_pods, observed.workload.pods_at_most
    if declared is None or most == declared:
        return
    if most > declared:
        yield Recommendation("database.maxPods", declared, most, f"{most} pods can exist at once during a rollout")
    elif spec.database.floor * (declared - most) >= 0.1 * spec.database.connection_budget:
        spare = spec.database.floor * (declared - most)
        why = f"{most} pods can exist at once; {spare} connections are kept for pods that cannot come"
        yield Recommendation("database.maxPods", declared, most, why)


def _per_pod_max(spec: Spec, observed: Snapshot, decision: Decision) -> Iterator[Recommendation]:
    most, room = spec.database.per_pod_max, decision.sums.room
    full = [
        entry.name
        for uid, entry in decision.ledger.pods.items()
        if entry.cap >= most and observed.demands.get(uid, 0.0) > PRESSED * most
    ]
    if full and room > 0:
        why = f"{full[0]} could use more than the {most} that it has, and {room} connections are left to grant"
        yield Recommendation("database.perPod.max", most, most + math.ceil(room / len(full)), why)


def _memcached(spec: Spec, observed: Snapshot) -> Iterator[Recommendation]:
    servers = [server for server in observed.memcached if server.up and server.limit_bytes]
    if not servers:
        return
    limit = max(server.limit_bytes for server in servers) // MEGABYTE
    current = spec.memcached_megabytes or limit
    used = max(server.used_bytes / server.limit_bytes for server in servers)
    reads, hits = sum(each.hits + each.misses for each in servers), sum(each.hits for each in servers)
    if reads < READS_AT_LEAST:
        return
    evicted = sum(server.evictions for server in servers)
    allowed = min((most for server in servers if (most := most_megabytes(server)) is not None), default=2 * current)
    if evicted and used > SCARCE and hits / reads < 0.95 and min(2 * current, allowed) > current:
        why = (
            f"{hits / reads:.0%} of the reads are hits, {evicted} items had to go and {used:.0%} of the memory is used"
        )
        yield Recommendation("cache.memcachedMegabytes", current, min(2 * current, allowed), why)
    elif not evicted and used < PLENTY and current > 64:
        why = f"{used:.0%} of the memory is used and nothing had to go"
        yield Recommendation("cache.memcachedMegabytes", current, max(64, current // 2), why)


def _users(spec: Spec, observed: Snapshot) -> Iterator[Recommendation]:
    apps = [pod.app for pod in living(observed.pods) if pod.app is not None and pod.app.generations]
    reads = sum(app.cache_hits + app.cache_misses for app in apps)
    if not apps or reads < READS_AT_LEAST:
        return
    capacity = int((spec.tuning.get("cache") or {}).get("user", {}).get("capacity", USER_CAPACITY))
    fullest = max(app.users_cached / len(app.generations) for app in apps)
    rate = sum(app.cache_hits for app in apps) / reads
    if fullest > SCARCE * capacity and rate < SCARCE:
        why = (
            f"{rate:.0%} of the reads are hits in the workers' own caches, which hold {fullest:.0f} of {capacity} users"
        )
        yield Recommendation("cache.user.capacity", capacity, 2 * capacity, why)
