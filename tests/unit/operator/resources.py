"""A resource and the state observed for it, for the tests of spec and status."""

from typing import Any

from jobfinder_operator.deciding.budget import Decision, decide
from jobfinder_operator.deciding.ledger import Ledger
from jobfinder_operator.deciding.snapshot import AppReading, MemcachedSeen, PodSeen, Reading, Snapshot, Workload
from jobfinder_operator.spec import Spec, budget_parameters, read_spec

MEGABYTE = 1024 * 1024


def resource(**spec: Any) -> dict[str, Any]:
    given = {"database": {"connectionBudget": 40, "maxPods": 5}} | spec
    return {"metadata": {"name": "jobs", "generation": 4}, "spec": given}


def spec_of(**spec: Any) -> Spec:
    return read_spec(resource(**spec))


def pod(name: str, size: int = 1, *, servers: int | None = None, waiting: int = 0, **more: Any) -> PodSeen:
    reading = Reading(99.0, f"s-{name}", size, size if servers is None else servers, clients_waiting=waiting)
    app = AppReading(generations=(7, 7), users_cached=10)
    given: dict[str, Any] = {"born_with": 1, "reading": reading, "app": app} | more
    return PodSeen(name, name, **given)


def seen(*pods: PodSeen, hpa_max: int = 2, **more: Any) -> Snapshot:
    return Snapshot(100.0, pods, Workload("app", 2, 1, 1, hpa_max, 1), **more)


def server(name: str = "memcached-0", **more: Any) -> MemcachedSeen:
    given: dict[str, Any] = {"limit_bytes": 64 * MEGABYTE, "used_bytes": 32 * MEGABYTE} | more
    return MemcachedSeen(name, **given)


def decided(spec: Spec, observed: Snapshot, rounds: int = 1, ledger: Ledger | None = None) -> Decision:
    """The decision with a known ledger; each further round uses the ledger of the previous one."""
    ledger = ledger or Ledger("me")
    parameters = budget_parameters(spec, observed, "me")
    decision = decide(parameters, ledger, observed, 100.0)
    for _ in range(rounds - 1):
        decision = decide(parameters, decision.ledger, observed, 100.0)
    return decision
