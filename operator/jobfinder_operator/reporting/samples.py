"""Converts the results of a round to a sample for /metrics."""

from jobfinder_operator.deciding.budget import Decision
from jobfinder_operator.deciding.snapshot import MemcachedSeen, PodSeen, Snapshot
from jobfinder_operator.reporting.metrics import ConfigSample, PodSample, ServerSample


def sample(decision: Decision, observed: Snapshot) -> ConfigSample:
    sums = decision.sums
    return ConfigSample(
        budget=sums.budget,
        granted=sums.granted,
        used=sums.used,
        feasible=not decision.infeasible,
        pods=tuple(_pod(pod, decision) for pod in observed.pods if pod.uid in decision.ledger.pods),
        servers=tuple(_server(each) for each in observed.memcached),
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
