"""The conditions of the status: one function each, with a message that contains the numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jobfinder_operator.deciding.budget import Decision
from jobfinder_operator.deciding.memory import MEGABYTE, too_much_memory
from jobfinder_operator.deciding.snapshot import MemcachedSeen, Phase, PodSeen, Snapshot, living
from jobfinder_operator.spec import Spec, problems


@dataclass(frozen=True, slots=True)
class TuningState:
    """`generation`: that of the ConfigMap. `refused`: the message if a pod refused the file and it was rolled back to
    the last good one; empty otherwise.
    """

    generation: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of one PostgreSQL server, the primary or a replica, in a round that reached a decision."""

    spec: Spec
    observed: Snapshot
    decision: Decision

    @property
    def serving(self) -> list[PodSeen]:
        """Running and ready pods of the service."""
        return [pod for pod in self.observed.pods if pod.phase is Phase.RUNNING and pod.ready]

    @property
    def known(self) -> int:
        """Number of the resource's own pods."""
        return sum(not entry.foreign for entry in self.decision.ledger.pods.values())


@dataclass(frozen=True, slots=True)
class Round(Pools):
    """The inputs of the conditions; the fields of `Pools` are the primary's."""

    tuning: TuningState
    replicas: Mapping[str, Pools] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """`reason` in CamelCase, `message` in sentences."""

    type: str
    status: str
    reason: str
    message: str


def judge(now: Round) -> list[Condition]:
    """All conditions, Ready first."""
    judged = [_judged(kind, judgement(now)) for kind, judgement in JUDGEMENTS.items()]
    degraded = _judged("Degraded", _degraded(now))
    return [_ready(now, [*judged, degraded]), *judged, degraded]


Verdict = tuple[bool | None, str, str]


def _of_every_server(judgement: Callable[[Pools], Verdict]) -> Callable[[Round], Verdict]:
    """The first verdict that does not hold, the primary's or a replica's; else that of the primary."""

    def judge_all(now: Round) -> Verdict:
        verdict = judgement(now)
        for name, pools in now.replicas.items():
            holds, reason, message = judgement(pools)
            if verdict[0] and not holds:
                return holds, reason, f"Replica {name}: {message}"
        return verdict

    return judge_all


def _judged(kind: str, verdict: Verdict) -> Condition:
    holds, reason, message = verdict
    return Condition(kind, "Unknown" if holds is None else str(holds), reason, message)


def _ready(now: Round, others: Sequence[Condition]) -> Condition:
    """Not ready if the budget is infeasible or something is degraded; pending changes do not matter."""
    found = {each.type: each for each in others}
    if found["BudgetFeasible"].status == "False":
        return Condition("Ready", "False", found["BudgetFeasible"].reason, found["BudgetFeasible"].message)
    if found["Degraded"].status == "True":
        return Condition("Ready", "False", found["Degraded"].reason, found["Degraded"].message)
    return Condition("Ready", "True", "Fine" if now.spec.acts else _idle(now.spec), f"{_summary(now)}.")


def _summary(now: Round) -> str:
    sums = now.decision.sums
    waiting = sum(pod.reading.clients_waiting for pod in living(now.observed.pods) if pod.reading)
    return (
        f"{_pods(now.known)} may have {sums.granted} of {sums.budget} connections, "
        f"{sums.used} are in use, {waiting} clients wait"
    )


def _idle(spec: Spec) -> str:
    return "Paused" if spec.paused else "Observing"


def _feasible(now: Pools) -> Verdict:
    sums, database = now.decision.sums, now.spec.database
    slots = max(database.max_pods or 0, now.observed.workload.pods_at_most)
    least = sums.floor * slots + sums.headroom + sums.reserved
    found = problems(now.spec, now.observed)
    if now.decision.infeasible:
        return False, "FloorsExceedBudget", f"{'; '.join([*found, now.decision.infeasible])}. Nothing is changed."
    arithmetic = (
        f"floor {sums.floor} x maxPods {slots} + headroom {sums.headroom}{_others(now)} = {least} "
        f"<= connectionBudget {sums.budget}"
    )
    if found:
        reason = "MaxPodsTooFew" if slots != database.max_pods else "FloorTooLow"
        return False, reason, f"{'; '.join(found)}. Until then the budget is kept with {arithmetic}."
    return True, "Fits", f"{arithmetic}: {sums.budget - least} can be granted above the floors."


def _converged(now: Pools) -> Verdict:
    decision, sums, pods = now.decision, now.decision.sums, now.decision.ledger.pods
    below = [uid for uid, entry in pods.items() if entry.cap < decision.targets[uid]]
    above = [uid for uid, entry in pods.items() if entry.cap > decision.targets[uid]]
    told = [step.uid for step in decision.steps]
    if decision.ledger.blind_until:
        return False, "Learning", "What was granted before is not recorded: nothing grows until all of it is known."
    if sums.room < 0:
        reason = "TooManyPods" if sums.holders > (now.spec.database.max_pods or sums.slots) else "OverBudget"
        return False, reason, f"{_arithmetic(now)} > connectionBudget {sums.budget}: nothing grows until it fits."
    if not now.spec.acts and (below or above):
        return (
            False,
            _idle(now.spec),
            f"{_some(now, [*below, *above])} would be changed if mode were Apply, not paused.",
        )
    if above or told:
        return False, "Applying", f"{_some(now, {*above, *told})}: told, not all of it seen yet."
    if below:
        held = sum(ghost.cap for ghost in decision.ledger.ghosts)
        why = (
            f"{held} connections are kept for queries of PgBouncers that have ended" if held else "there is no room yet"
        )
        return False, "Waiting", f"{_some(now, below)} is to get more: {why}."
    return True, "Converged", f"{_pods(now.known)} with {sums.granted} connections together: {_arithmetic(now)}."


def _arithmetic(now: Pools) -> str:
    sums = now.decision.sums
    return (
        f"floor {sums.floor} x {sums.slots} pods + {sums.above_floor} granted above + headroom {sums.headroom}"
        f"{_others(now)} = {sums.total}"
    )


def _others(now: Pools) -> str:
    reserved = now.decision.sums.reserved
    return f" + {reserved} of other Deployments" if reserved else ""


def _tuned(now: Round) -> Verdict:
    generation, tuned = now.tuning.generation, now.observed.tuned
    if now.tuning.refused:
        return False, "Refused", f"{now.tuning.refused}."
    if not now.spec.acts:
        return None, _idle(now.spec), "The tuning is not written while not applied."
    late = [pod for pod in tuned if not confirms(pod, generation)]
    if not tuned:
        return None, "NoPods", "No pod is ready, so that none can tell what it has applied."
    if late:
        words = f"{len(tuned) - len(late)} of {_pods(len(tuned))} have applied generation {generation}"
        return False, "Applying", f"{words}; {_names(pod.name for pod in late)} not yet."
    return True, "Applied", f"Every worker of {_pods(len(tuned))} has applied generation {generation}."


def confirms(pod: PodSeen, generation: int) -> bool:
    """Whether every worker of the pod has applied this generation."""
    return pod.app is not None and bool(pod.app.generations) and set(pod.app.generations) == {generation}


def _cache(now: Round) -> Verdict:
    wanted, servers = now.spec.memcached_megabytes, now.observed.memcached
    if not servers:
        return True, "NoMemcached", "There is no memcached; every request asks PostgreSQL."
    if down := [server.name for server in servers if not server.up]:
        return False, "Unreachable", f"{_names(down)} of {len(servers)} memcached servers does not answer."
    if wanted is None:
        return True, "NotManaged", "cache.memcachedMegabytes is not set: the servers keep what they started with."
    if refused := next((why for server in servers if (why := too_much_memory(wanted, server))), ""):
        return False, "TooMuch", f"{refused}."
    if other := [server for server in servers if server.limit_bytes != wanted * MEGABYTE]:
        reason = "Applying" if now.spec.acts else _idle(now.spec)
        return False, reason, f"{_limits(other)}; {wanted} MB are wanted."
    return True, "Applied", f"{len(servers)} memcached servers have {wanted} MB each."


def _limits(servers: Sequence[MemcachedSeen]) -> str:
    return ", ".join(f"{each.name} has {each.limit_bytes // MEGABYTE} MB" for each in servers[:3])


def _degraded(now: Round) -> Verdict:
    found = list(_wrong(now))
    if not found:
        return False, "Fine", "Everything that should answer does."
    return True, found[0][0], " ".join(message for _, message in found)


def _wrong(now: Round) -> Iterator[tuple[str, str]]:
    """Reason and message of each problem, the worst first."""
    pods = list(living(now.observed.pods))
    most = now.spec.database.max_pods
    if most is not None and len(pods) > most:
        yield "TooManyPods", f"There are {len(pods)} pods, maxPods is {most}; maxPods {len(pods)} would work."
    yield from _over_budget(now)
    if lost := [pod for pod in pods if not pod.reachable]:
        kept = sum(now.decision.ledger.pods[pod.uid].cap for pod in lost)
        names = _names(pod.name for pod in lost)
        yield "Unreachable", f"The node of {names} is not ready; {kept} connections are kept for what may run there."
    yield from _silent(now)
    for name, pools in now.replicas.items():
        yield from (
            (reason, f"Replica {name}: {message}") for reason, message in [*_over_budget(pools), *_silent(pools)]
        )
    if now.tuning.refused:
        yield "TuningRefused", f"{now.tuning.refused}."
    if down := [server.name for server in now.observed.memcached if not server.up]:
        yield "MemcachedUnreachable", f"{_names(down)} does not answer."


def _over_budget(now: Pools) -> Iterator[tuple[str, str]]:
    sums = now.decision.sums
    if sums.room < 0 and not now.decision.ledger.blind_until:
        yield "OverBudget", f"{sums.total} connections are possible, connectionBudget is {sums.budget}."


def _silent(now: Pools) -> Iterator[tuple[str, str]]:
    if silent := [pod for pod in now.serving if pod.reading is None]:
        yield "NoConsole", f"PgBouncer of {_names(pod.name for pod in silent)} does not answer the operator."


JUDGEMENTS: dict[str, Callable[[Round], Verdict]] = {
    "BudgetFeasible": _of_every_server(_feasible),
    "BudgetConverged": _of_every_server(_converged),
    "TuningApplied": _tuned,
    "CacheTuned": _cache,
}


NOT_FOLLOWED, TAKEN = "NotFollowed", "TargetTaken"


def refused(error: str, reason: str = NOT_FOLLOWED) -> list[Condition]:
    """Conditions of a resource that cannot be applied; with TargetTaken if an older resource owns its target."""
    message = f"{error[:1000]}. Nothing is changed until then."
    unknown = [Condition(kind, "Unknown", reason, message) for kind in JUDGEMENTS]
    return [
        Condition("Ready", "False", reason, message),
        *unknown,
        *([Condition(TAKEN, "True", reason, message)] if reason == TAKEN else []),
        Condition("Degraded", "True", reason, message),
    ]


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"


def _names(names: Iterable[str]) -> str:
    first, *rest = ordered if (ordered := sorted(names)) else [""]
    return ", ".join([first, *rest[:2]]) + (f" and {len(rest) - 2} more" if len(rest) > 2 else "")


def _some(now: Pools, uids: Iterable[str]) -> str:
    ledger, targets = now.decision.ledger.pods, now.decision.targets
    return _names(f"{ledger[uid].name} ({ledger[uid].cap} -> {targets[uid]})" for uid in uids)
