"""Parses the resource into frozen dataclasses, and describes its errors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from jobfinder_operator.deciding.parameters import FLOOR, HEADROOM, LINGER_SECONDS, PER_POD_MAX, Parameters, too_little
from jobfinder_operator.deciding.snapshot import Snapshot, Workload, living
from jobfinder_operator.live_settings import NAMES

QUERY_WAIT_SECONDS, IDLE_SECONDS, ACQUIRE_MILLISECONDS = 8, 60, 8000
TUNED = tuple(dict.fromkeys(path.partition(".")[0] for path in NAMES))


@dataclass(frozen=True, slots=True)
class Target:
    """Names of objects; an empty name means: found by the release's labels."""

    deployment: str = ""
    memcached: str = ""
    hpa: str = ""


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """A read replica; its floor, largest pool and number of pods are those of the primary."""

    name: str
    connection_budget: int
    headroom: int = HEADROOM


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """`max_pods` None: twice the HPA's maximum plus the Deployment's surge."""

    connection_budget: int
    headroom: int = HEADROOM
    max_pods: int | None = None
    floor: int = FLOOR
    per_pod_max: int = PER_POD_MAX
    linger_seconds: int = LINGER_SECONDS
    query_wait_seconds: int = QUERY_WAIT_SECONDS
    idle_seconds: int = IDLE_SECONDS
    acquire_milliseconds: int = ACQUIRE_MILLISECONDS
    replicas: tuple[ReplicaSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """`tuning`: the sections of `TUNED` that are set, with the resource's field names.

    `memcached_megabytes` None: the servers keep their limit.
    """

    database: DatabaseSpec
    mode: Literal["Observe", "Apply"] = "Apply"
    paused: bool = False
    target: Target = Target()
    memcached_megabytes: int | None = None
    tuning: Mapping[str, Any] = field(default_factory=dict)

    @property
    def acts(self) -> bool:
        """Whether the operator may change anything."""
        return self.mode == "Apply" and not self.paused

    def of(self, replica: ReplicaSpec) -> "Spec":
        """The same with the budget of a replica."""
        budget, headroom = replica.connection_budget, replica.headroom
        return replace(self, database=replace(self.database, connection_budget=budget, headroom=headroom))


TARGETS = ("deployment", "memcached", "hpa")


def target_of(resource: Mapping[str, Any]) -> Target:
    """The target; works also for a resource that is otherwise invalid."""
    given = (resource.get("spec") or {}).get("target") or {}
    return Target(**{name: str(given[name]) for name in TARGETS if name in given})


class SpecError(Exception):
    """The resource is invalid; the message says what, why, and the nearest value that would work."""


def read_spec(resource: Mapping[str, Any]) -> Spec:
    """`resource` is the whole object; raises SpecError with all problems."""
    given = resource.get("spec") or {}
    wrong = tuple(_wrong(given))
    if wrong:
        raise SpecError("; ".join(wrong))
    cache = dict(given.get("cache") or {})
    return Spec(
        database=_database(given["database"]),
        mode=cast(Literal["Observe", "Apply"], given.get("mode", "Apply")),
        paused=bool(given.get("paused", False)),
        target=target_of(resource),
        memcached_megabytes=cache.pop("memcachedMegabytes", None),
        tuning={name: each for name in TUNED if (each := cache if name == "cache" else given.get(name))},
    )


def _database(given: Mapping[str, Any]) -> DatabaseSpec:
    per_pod, timeouts = given.get("perPod") or {}, given.get("timeouts") or {}
    return DatabaseSpec(
        connection_budget=given["connectionBudget"],
        headroom=given.get("headroom", HEADROOM),
        max_pods=given.get("maxPods"),
        floor=per_pod.get("floor", FLOOR),
        per_pod_max=per_pod.get("max", PER_POD_MAX),
        linger_seconds=given.get("lingerSeconds", LINGER_SECONDS),
        query_wait_seconds=timeouts.get("queryWaitSeconds", QUERY_WAIT_SECONDS),
        idle_seconds=timeouts.get("idleSeconds", IDLE_SECONDS),
        acquire_milliseconds=timeouts.get("acquireMilliseconds", ACQUIRE_MILLISECONDS),
        replicas=tuple(
            ReplicaSpec(each["name"], each["connectionBudget"], each.get("headroom", HEADROOM))
            for each in given.get("replicas") or ()
        ),
    )


def _wrong(given: Mapping[str, Any]) -> Iterator[str]:
    """The schema rejects these too, but an object may have been stored before the schema had the rule."""
    database = given.get("database") or {}
    mode = given.get("mode", "Apply")
    if mode not in ("Observe", "Apply"):
        yield f"spec.mode {mode!r} is neither Observe nor Apply"
    if unknown := set(given.get("target") or {}) - set(TARGETS):
        yield f"spec.target.{min(unknown)} is unknown; deployment, memcached and hpa are known"
    numbers = {"database.connectionBudget": database.get("connectionBudget")}
    optional = {name: database[name] for name in ("headroom", "maxPods", "lingerSeconds") if name in database}
    numbers |= {f"database.{name}": value for name, value in optional.items()}
    numbers |= {f"database.perPod.{name}": value for name, value in (database.get("perPod") or {}).items()}
    numbers |= {f"database.timeouts.{name}": value for name, value in (database.get("timeouts") or {}).items()}
    replicas = database.get("replicas") or ()
    for number, each in enumerate(replicas):
        budgets = {"connectionBudget": each.get("connectionBudget"), "headroom": each.get("headroom", HEADROOM)}
        numbers |= {f"database.replicas[{number}].{name}": value for name, value in budgets.items()}
    names = [each.get("name") for each in replicas]
    if len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
        yield "spec.database.replicas needs a name for each, and no name twice"
        return
    bad = [message for path, value in numbers.items() if (message := _no_count(path, value))]
    yield from bad
    if not bad:
        yield from _contradictions(_database(database))


def _no_count(path: str, value: object) -> str:
    least = 0 if path.endswith("headroom") else 1
    if value is None:
        return f"spec.{path} is missing: the most connections that all pods together may have to PostgreSQL"
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        reason = ", for PgBouncer reads 0 as unlimited" if path.endswith("floor") else ""
        return f"spec.{path} is {value!r}, it must be a whole number of at least {least}{reason}"
    return ""


def _contradictions(database: DatabaseSpec) -> Iterator[str]:
    floor, most = database.floor, database.per_pod_max
    if floor > most:
        yield f"perPod.floor {floor} > perPod.max {most}; perPod.max {floor}, or perPod.floor {most}, would work"
    if message := too_little(database.connection_budget, floor, database.max_pods or 1, database.headroom):
        yield message
    for each in database.replicas:
        if message := too_little(each.connection_budget, floor, database.max_pods or 1, each.headroom):
            yield f"replica {each.name}: {message}"


def budget_parameters(spec: Spec, observed: Snapshot, holder: str, command_seconds: float = 5.0) -> Parameters:
    """Parameters of `decide`. If maxPods does not cover the workload, the larger number is used."""
    database = spec.database
    return Parameters(
        budget=database.connection_budget,
        max_pods=max(database.max_pods or 0, observed.workload.pods_at_most),
        headroom=database.headroom,
        floor=database.floor,
        per_pod_max=database.per_pod_max,
        linger_seconds=database.linger_seconds,
        command_seconds=command_seconds,
        holder=holder,
        acts=spec.acts,
    )


def problems(spec: Spec, observed: Snapshot) -> tuple[str, ...]:
    """Problems that need other objects: maxPods below what the autoscaler allows, floor below the pods' start size."""
    return tuple(each for each in (_uncovered(spec.database, observed.workload), _other_floor(spec, observed)) if each)


def _uncovered(database: DatabaseSpec, workload: Workload) -> str:
    most = workload.pods_at_most
    if database.max_pods is None or most <= database.max_pods:
        return ""
    scaled = workload.hpa_max if workload.hpa_max is not None else workload.replicas
    name = "HPA max" if workload.hpa_max is not None else "replicas"
    fits = (database.max_pods - workload.surge) // 2
    less = f", or {name} {fits}," if fits > 0 else ""
    return (
        f"2 x {name} {scaled} + surge {workload.surge} = {most} pods can exist at once > maxPods "
        f"{database.max_pods}; maxPods {most}{less} would work"
    )


def _other_floor(spec: Spec, observed: Snapshot) -> str:
    born_with = max([observed.workload.born_with or 0, *(pod.born_with or 0 for pod in living(observed.pods))])
    if born_with <= spec.database.floor:
        return ""
    return (
        f"sidecars start with {born_with} connections, more than perPod.floor {spec.database.floor}: {born_with} are "
        f"counted for each of the pods; perPod.floor {born_with}, or pgbouncer.floor {spec.database.floor} in the "
        f"chart's values, would work"
    )
