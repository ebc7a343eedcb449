"""What one round has read of the cluster: facts from the clients, for the decisions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """`TERMINATING` has a deletion time. `FINISHED`: the sidecar has ended for good; the pod is Failed, Succeeded, or
    Terminating with all containers terminated.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    TERMINATING = "Terminating"
    FINISHED = "Finished"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a pod's PgBouncer console.

    `at` is when the reading *started*, in seconds of the clock that `decide` is given. `session` is the globally
    unique id of the console connection. Replies on one connection come from one process, after all commands sent on it
    before; a new connection is a new session. `servers` counts every row of SHOW SERVERS, also connections that are
    about to close or still log in. `busy_seconds` and `wait_seconds` are the sums of SHOW STATS (total_xact_time,
    total_wait_time) since PgBouncer started.
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
    """A pod's /metrics, summed over its workers; `generations` has one number for each worker."""

    generations: tuple[int, ...] = ()
    refused: bool = False
    cache_hits: float = 0.0
    cache_misses: float = 0.0
    users_cached: int = 0
    sessions_ended: int = 0
    resident_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PodSeen:
    """`reachable`: its kubelet reports what it does, as far as is known. `process`: containerID of the running sidecar;
    empty: unknown.

    `born_with`: the pool size that its sidecar starts with (PGBOUNCER_POOL_SIZE); None: unknown. `follows`: it reads
    the resource's tuning.
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
    follows: bool = True


@dataclass(frozen=True, slots=True)
class MemcachedSeen:
    """One server of the shared cache; counters are since its start."""

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
    """The Deployment and its autoscaler; `surge` as a number of pods, `hpa_max` None without autoscaler.

    `born_with`: the pool size in the Deployment's pod template, with which future pods start.
    """

    name: str = ""
    replicas: int = 0
    surge: int = 1
    hpa_min: int | None = None
    hpa_max: int | None = None
    born_with: int | None = None

    @property
    def pods_at_most(self) -> int:
        """Pods that can exist at once: a Deployment does not count Terminating pods, so a rollout can double them."""
        return 2 * (self.hpa_max if self.hpa_max is not None else self.replicas) + self.surge


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`pods`: the result of a LIST sent at `at` and not served from a cache, so a missing pod is gone.

    `ended`: uids of pods that are gone and whose last state (in the watch's DELETED event) showed all containers
    terminated; containers of other missing pods may still run. `demands`: server connections that each pod (by uid)
    could use, from `shares.measure`; a missing pod has none measured.

    `neighbours`: pods of other Deployments that use the same PostgreSQL; they are counted, but never resized.
    `neighbour_floors`: the sum of start sizes of all pods that those Deployments can have at once. `recorded`: the cap
    of each pod (by uid) in other resources' ledgers.
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

    @property
    def tuned(self) -> list[PodSeen]:
        """Running and ready pods that should have applied the tuning: those of every component of the release."""
        every = self.pods + self.neighbours
        return [pod for pod in every if pod.follows and pod.phase is Phase.RUNNING and pod.ready]


def living(pods: tuple[PodSeen, ...]) -> Iterator[PodSeen]:
    """The pods whose PgBouncer may still run."""
    return (pod for pod in pods if pod.phase is not Phase.FINISHED)
