"""What was seen of the cluster in one round: facts only, made by the clients, judged by the pure half."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """`TERMINATING` has a deletion time. `FINISHED`: the kubelet tells that the sidecar has ended for good; the pod is
    Failed, Succeeded, or Terminating with that container terminated.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    TERMINATING = "Terminating"
    FINISHED = "Finished"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a pod's PgBouncer console.

    `at` is when the look *started*, in seconds of the clock that `decide` is given. `session` names the TCP
    connection that it was made on, unique over all operators and time: what was read on the same connection was said by
    the same process, and after everything that was sent there before. A new connection is a new session.
    `servers` counts every row of SHOW SERVERS, those that are about to be closed and those that log in too.
    `busy_seconds` and `wait_seconds` are the sums of SHOW STATS (total_xact_time, total_wait_time) since it started.
    """

    at: float
    session: str
    pool_size: int
    servers: int
    servers_active: int = 0
    clients_active: int = 0
    clients_waiting: int = 0
    max_wait_seconds: float = 0.0
    busy_seconds: float = 0.0
    wait_seconds: float = 0.0
    query_wait_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AppReading:
    """What a pod's /metrics tell, summed over its workers; `generations` has one number for each worker."""

    generations: tuple[int, ...] = ()
    refused: bool = False
    cache_hits: float = 0.0
    cache_misses: float = 0.0
    users_cached: int = 0
    sessions_ended: int = 0
    resident_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PodSeen:
    """`reachable`: its node is Ready. `process` names the sidecar's container run (its containerID; empty: unknown).

    `born_with` is the pool size that its sidecar starts with (PGBOUNCER_POOL_SIZE), None when the pod does not say.
    """

    uid: str
    name: str
    phase: Phase = Phase.RUNNING
    ready: bool = True
    reachable: bool = True
    node: str = ""
    process: str = ""
    born_with: int | None = None
    grace_seconds: float = 30.0
    reading: Reading | None = None
    app: AppReading | None = None


@dataclass(frozen=True, slots=True)
class MemcachedSeen:
    """One server of the shared cache; sums are since its start. `cpu` and time are not told by memcached."""

    name: str
    up: bool = True
    limit_bytes: int = 0
    used_bytes: int = 0
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    items: int = 0
    container_limit_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """The Deployment and what scales it; `surge` as a number of pods, `hpa_max` None where nothing scales.

    `born_with`: the pool size in the Deployment's pod template, with which pods that do not exist yet will start.
    """

    name: str = ""
    replicas: int = 0
    surge: int = 1
    hpa_min: int | None = None
    hpa_max: int | None = None
    born_with: int | None = None

    @property
    def pods_at_most(self) -> int:
        """Pods that can exist at once: Terminating ones are not counted by a Deployment, so a rollout doubles them."""
        return 2 * (self.hpa_max if self.hpa_max is not None else self.replicas) + self.surge


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`pods` is the answer to a LIST that was sent at `at` and not served from a cache: who is missing is gone.

    `ended`: uids of pods that are gone and whose last state (that of the watch's DELETED event) showed the sidecar's
    container terminated; of the others nobody knows whether it still runs. `demands`: server connections that each pod
    (by uid) could use, from `shares.measure`; a missing pod has no signal.

    `neighbours` are pods of other Deployments that use the same PostgreSQL: they count, and are told nothing.
    `neighbour_floors`: what all pods of those Deployments that can exist at once start with. `recorded`: what other
    resources' ledgers say that a pod (by uid) may have.
    """

    at: float
    pods: tuple[PodSeen, ...] = ()
    workload: Workload = Workload()
    memcached: tuple[MemcachedSeen, ...] = ()
    demands: Mapping[str, float] = field(default_factory=dict)
    ended: frozenset[str] = frozenset()
    neighbours: tuple[PodSeen, ...] = ()
    neighbour_floors: int = 0
    recorded: Mapping[str, int] = field(default_factory=dict)


def living(pods: tuple[PodSeen, ...]) -> Iterator[PodSeen]:
    """Those whose PgBouncer may run."""
    return (pod for pod in pods if pod.phase is not Phase.FINISHED)
