"""The resource's status: conditions, the budget's sums, the pods, the caches, what is recommended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jobfinder_operator.deciding.budget import Decision
from jobfinder_operator.deciding.claims import TargetTaken
from jobfinder_operator.deciding.memory import MEGABYTE
from jobfinder_operator.deciding.snapshot import MemcachedSeen, PodSeen, Snapshot, living
from jobfinder_operator.reporting.conditions import (
    NOT_FOLLOWED,
    TAKEN,
    Condition,
    Pools,
    Round,
    TuningState,
    confirms,
    judge,
    refused,
)
from jobfinder_operator.reporting.recommend import recommend
from jobfinder_operator.spec import Spec

__all__ = ["Situation", "TuningState", "build", "holds", "without_times"]

PODS_MOST, PODS_WORST = 100, 20

UNTUNED = TuningState()

# Fields that fluctuate: a change of these alone needs no immediate write.
FLUCTUATING = {
    "used",
    "waiting",
    "usedMegabytes",
    "hitPercent",
    "lastTransitionTime",
    "since",
    "message",
    "recommended",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """The outcome of one round. `spec` and `decision` are None if the resource cannot be applied; then `error` says
    why, and `reason` is the condition's reason.
    """

    spec: Spec | None
    observed: Snapshot
    decision: Decision | None
    tuning: TuningState = UNTUNED
    error: str = ""
    reason: str = NOT_FOLLOWED
    replicas: Mapping[str, Pools] = field(default_factory=dict)


def reason_of(error: Exception) -> str:
    """The condition's reason for an error that keeps a resource from being applied."""
    return TAKEN if isinstance(error, TargetTaken) else NOT_FOLLOWED


def build(situation: Situation, resource: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The whole new `status` of `resource`; times are kept where nothing has changed. `at`: the time in RFC 3339.

    `status.ledger` is not included: the caller adds `decision.ledger.to_dict()`. Those of replicas are.
    """
    old = resource.get("status") or {}
    generation = int(resource["metadata"].get("generation", 0))
    spec, decision = situation.spec, situation.decision
    if spec is None or decision is None:
        conditions = refused(situation.error, situation.reason)
        kept = {name: old[name] for name in ("budget", "pods", "replicas", "memcached", "tuning") if name in old}
        return {"observedGeneration": generation, "conditions": _conditions(conditions, generation, old, at), **kept}
    now = Round(spec, situation.observed, decision, situation.tuning, situation.replicas)
    replicas = {each.get("name"): each for each in old.get("replicas") or ()}
    return {
        "observedGeneration": generation,
        "conditions": _conditions(judge(now), generation, old, at),
        "budget": _budget(now),
        "pods": _pods(now, old, at),
        "replicas": [_replica(name, pools, replicas.get(name, {}), at) for name, pools in now.replicas.items()],
        "memcached": [_server(each) for each in sorted(now.observed.memcached, key=lambda each: each.name)],
        "recommended": [asdict(each) for each in recommend(spec, now.observed, decision)],
        "tuning": _tuning(now),
    }


def holds(status: Mapping[str, Any], condition: str) -> bool:
    """Whether the condition is True."""
    return any(each["type"] == condition and each["status"] == "True" for each in status["conditions"])


def without_times(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without times and fluctuating usage: if only these have changed, it need not be written at once."""

    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: kept(each) for name, each in value.items() if name not in FLUCTUATING}
        return [kept(each) for each in value] if isinstance(value, list) else value

    return {name: kept(value) for name, value in status.items() if name not in FLUCTUATING}


def _conditions(judged: list[Condition], generation: int, old: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """`lastTransitionTime` changes only with the condition's status, not with its message."""
    before = {each["type"]: each for each in old.get("conditions") or ()}
    since = {
        each.type: last["lastTransitionTime"]
        for each in judged
        if (last := before.get(each.type)) and last["status"] == each.status
    }
    return [
        {**asdict(each), "observedGeneration": generation, "lastTransitionTime": since.get(each.type, at)}
        for each in judged
    ]


def _replica(name: str, pools: Pools, old: Mapping[str, Any], at: str) -> dict[str, Any]:
    told = {"name": name, "budget": _budget(pools), "pods": _pods(pools, old, at)}
    return {**told, "ledger": pools.decision.ledger.to_dict()}


def _budget(now: Pools) -> dict[str, int]:
    sums = now.decision.sums
    return {
        "budget": sums.budget,
        "headroom": sums.headroom,
        "floor": sums.floor,
        "slots": sums.slots,
        "holders": sums.holders,
        "pods": len(now.decision.ledger.pods),
        "unborn": sums.unborn,
        "aboveFloor": sums.above_floor,
        "reserved": sums.reserved,
        "total": sums.total,
        "free": sums.room,
        "granted": sums.granted,
        "used": sums.used,
        "waiting": sum(_waiting(pod) for pod in living(now.observed.pods)),
        "lingering": sum(ghost.cap for ghost in now.decision.ledger.ghosts),
    }


def _pods(now: Pools, old: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """All pods by name. Above `PODS_MOST`, only the worst: unreachable ones, then most waiting clients, then the
    largest missing share.
    """
    before = {each.get("name"): each for each in old.get("pods") or ()}
    pods = sorted(living(now.observed.pods), key=lambda pod: pod.name)
    if len(pods) > PODS_MOST:
        pods = sorted(pods, key=lambda pod: _badness(now, pod))[:PODS_WORST]
    return [_pod(now, pod, before.get(pod.name, {}), at) for pod in pods]


def _badness(now: Pools, pod: PodSeen) -> tuple[bool, int, int, str]:
    missing = now.decision.targets[pod.uid] - now.decision.ledger.pods[pod.uid].cap
    return pod.reachable, -_waiting(pod), -missing, pod.name


def _pod(now: Pools, pod: PodSeen, before: Mapping[str, Any], at: str) -> dict[str, Any]:
    cap, phase = now.decision.ledger.pods[pod.uid].cap, _phase(pod)
    unchanged = (before.get("cap"), before.get("phase")) == (cap, phase)
    told = {
        "name": pod.name,
        "phase": phase,
        "cap": cap,
        "target": now.decision.targets[pod.uid],
        "since": before.get("since", at) if unchanged else at,
    }
    if pod.reading is not None:
        told |= {"used": pod.reading.servers, "waiting": _waiting(pod)}
    if pod.app is not None and pod.app.generations:
        told["tuningGeneration"] = min(pod.app.generations)
    if pod.app is not None and (reads := pod.app.cache_hits + pod.app.cache_misses):
        told["hitPercent"] = int(100 * pod.app.cache_hits / reads)
    return told


def _phase(pod: PodSeen) -> str:
    if not pod.reachable:
        return "Unreachable"
    return str(pod.phase) if pod.ready or pod.phase != "Running" else "NotReady"


def _waiting(pod: PodSeen) -> int:
    return pod.reading.clients_waiting if pod.reading is not None else 0


def _server(server: MemcachedSeen) -> dict[str, Any]:
    told: dict[str, Any] = {"node": server.name, "up": server.up}
    if server.up:
        reads = server.hits + server.misses
        told |= {"limitMegabytes": server.limit_bytes // MEGABYTE, "usedMegabytes": server.used_bytes // MEGABYTE}
        told |= {"hitPercent": 100 * server.hits // reads} if reads else {}
    return told


def _tuning(now: Round) -> dict[str, int]:
    generation, tuned = now.tuning.generation, now.observed.tuned
    confirmed = sum(confirms(pod, generation) for pod in tuned)
    return {"generation": generation, "confirmed": confirmed, "pods": len(tuned)}
