"""The budget protocol: from what is recorded and what is seen to what to record, and only then to do.

    floor x max(maxPods, holders)  +  sum over holders of max(0, cap - floor)  +  headroom  <=  connectionBudget

A holder is a PgBouncer that may have connections: that of a pod, whatever the pod's state, or a ghost, one that has
ended while PostgreSQL may still run its queries. `floor` is the largest size with which any pod's sidecar starts.
"""

from dataclasses import dataclass

from jobfinder_operator.ledger import Ledger
from jobfinder_operator.observed import Observed


@dataclass(frozen=True, slots=True)
class Config:
    """`linger_seconds`: statement_timeout plus client_connection_check_interval plus one, how long PostgreSQL may run
    queries of a PgBouncer that has ended. `command_seconds`: after that long nothing that was sent takes effect.
    `moves_per_minute` bounds the shrinks (each a RECONNECT) that only demand asks for.
    """

    budget: int
    max_pods: int
    headroom: int = 5
    floor: int = 1
    per_pod_max: int = 32
    linger_seconds: float = 7.0
    command_seconds: float = 5.0
    moves_per_minute: int = 12
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Shrink:
    """On the console connection `session`: check that default_pool_size is `expect`; SET it to `to`; if SHOW SERVERS
    counts more than `to`, RECONNECT, and look until it does not. Does nothing if the connection is another by now.
    """

    uid: str
    name: str
    to: int
    expect: int
    session: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Grow:
    """On the console connection `session`: check that default_pool_size is `expect`; SET it to `to`."""

    uid: str
    name: str
    to: int
    expect: int
    session: str
    why: str = ""


Step = Shrink | Grow


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that this operator did not do: `kind` is `raised`, `lowered`, `restarted`, `unrecorded` or `lost`."""

    uid: str
    name: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Sums:
    """The arithmetic of the budget; `total` is the left side of the inequality, and `total - budget` what is over."""

    budget: int
    headroom: int
    floor: int
    slots: int
    holders: int
    unborn: int
    above_floor: int
    used: int

    @property
    def total(self) -> int:
        return self.floor * self.slots + self.above_floor + self.headroom

    @property
    def room(self) -> int:
        return self.budget - self.total


@dataclass(frozen=True, slots=True)
class Decision:
    """First record `ledger` if it differs from the one that was read; if that fails, do nothing else of this.

    Then the steps, in any order, shrinks first; each may fail alone. Observe again soon while `unsettled`.
    `targets`: the share of each pod by uid.
    """

    ledger: Ledger
    steps: tuple[Step, ...]
    drifts: tuple[Drift, ...]
    sums: Sums
    targets: dict[str, int]
    unsettled: bool
    infeasible: str = ""


def decide(config: Config, ledger: Ledger | None, observed: Observed, now: float) -> Decision:
    """`ledger` must be what is recorded *now* (a consistent read), None when there is none; `now` is a time of the
    operator's monotonic clock, not before `observed.at`.
    """
    raise NotImplementedError
