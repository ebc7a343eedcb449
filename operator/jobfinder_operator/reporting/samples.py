"""Converts the results of a round to a sample for /metrics."""

from collections.abc import Mapping
from types import MappingProxyType

from jobfinder_operator.deciding.budget import Decision
from jobfinder_operator.deciding.snapshot import MemcachedSeen, PodSeen, Snapshot
from jobfinder_operator.reporting.conditions import Pools
from jobfinder_operator.reporting.metrics import ConfigSample, PodSample, ReplicaSample, ServerSample

NONE: Mapping[str, Pools] = MappingProxyType({})


def sample(
    decision: Decision, observed: Snapshot, replicas: Mapping[str, Pools] = NONE, *, feasible: bool
) -> ConfigSample:
    """`feasible`: whether the condition BudgetFeasible is True."""
    sums = decision.sums
    return ConfigSample(
        budget=sums.budget,
        granted=sums.granted,
        free=max(0, sums.room),
        used=sums.used,
        feasible=feasible,
        pods=tuple(_pod(pod, decision) for pod in observed.pods if pod.uid in decision.ledger.pods),
        servers=tuple(_server(each) for each in observed.memcached),
        replicas=tuple(
            ReplicaSample(name, each.decision.sums.budget, each.decision.sums.granted, each.decision.sums.used)
            for name, each in replicas.items()
        ),
    )


def _pod(pod: PodSeen, decision: Decision) -> PodSample:
    reading = pod.reading
    return PodSample(
        pod.name,
        decision.ledger.pods[pod.uid].cap,
        reading.servers if reading is not None else 0,
        reading.clients_waiting if reading is not None else 0,
    )


def _server(seen: MemcachedSeen) -> ServerSample:
    return ServerSample(seen.name, seen.up, seen.used_bytes, seen.limit_bytes, seen.hits, seen.misses)
