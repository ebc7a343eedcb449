"""What each PgBouncer may hold, as it was recorded: written before a cap is raised, lowered after it was seen lower."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """A pod. `cap`: the most connections that its running PgBouncer can have until something else is recorded here.

    `session`: the console connection on which it was last known to be the same process. `busy_until`: a command may
    still take effect until then. `wanted`: what the last command asked for. `process`, `born_with`, `terminating`,
    `reachable` and `grace_seconds` are what was last seen of the pod.
    """

    uid: str
    name: str
    cap: int
    wanted: int
    session: str = ""
    busy_until: float = 0.0
    process: str = ""
    born_with: int = 1
    terminating: bool = False
    reachable: bool = True
    grace_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Ghost:
    """A PgBouncer that has ended, whose queries PostgreSQL may still run: `cap` counts until the time `until`."""

    uid: str
    name: str
    cap: int
    until: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """Written by one operator process at a time, compare-and-swap by `resourceVersion`.

    `holder` names the operator *process* (not its pod) on whose clock all times are. `blind_until`: nothing grows
    before then, because a ledger was lost and with it what had just ended. `moves` are the times of the latest
    shrinks that only demand asked for.
    """

    holder: str
    blind_until: float = 0.0
    pods: Mapping[str, Entry] = field(default_factory=dict)
    ghosts: tuple[Ghost, ...] = ()
    moves: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For the resource's `status.ledger`; defaults are left out."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, given: Mapping[str, Any] | None) -> "Ledger | None":
        """None where there is none, or where it is damaged: both are a lost ledger."""
        raise NotImplementedError
