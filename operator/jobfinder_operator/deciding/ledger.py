"""The record of how many connections each PgBouncer may have: raised before a grow, lowered after a proven shrink."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

GUESSED = -1  # `Entry.wanted`: the cap is a guess: the ledger was lost, and the pod has not been read since
UNASKED = 0  # `Entry.wanted`: this process was never resized


@dataclass(frozen=True, slots=True)
class Entry:
    """A pod. `cap`: the most connections that its running PgBouncer can have until something else is recorded here.

    `wanted`: the size last asked for, at the time `asked_at` on the console connection `session` (empty: commands on
    more than one may be pending). `size`: the pool size last read. `process`, `born_with` (0: unknown), `reachable` and
    `grace_seconds`: as last seen of the pod. `leaving_at`: when it was first seen Terminating. `foreign`: it belongs to
    another Deployment that uses the same PostgreSQL.
    """

    uid: str
    name: str
    cap: int
    wanted: int = UNASKED
    size: int = 0
    session: str = ""
    asked_at: float = 0.0
    process: str = ""
    born_with: int = 0
    leaving_at: float | None = None
    reachable: bool = True
    grace_seconds: float = 30.0
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Ghost:
    """A PgBouncer that has ended while PostgreSQL may still run its queries: `cap` counts until the time `until`.

    That is `seconds` after its end was seen. `foreign`, `born_with`: as in `Entry`.
    """

    uid: str
    name: str
    cap: int
    until: float
    seconds: float
    foreign: bool = False
    born_with: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Written by one operator process at a time, compare-and-swap by `resourceVersion`.

    `holder`: id of the operator *process* (not its pod) on whose clock all times are; empty: a copy of another
    resource's ledger, which may be out of date. `blind_until`: nothing grows before then, because a ledger was lost and
    with it the ghosts. `moves`: times of the latest shrinks made for demand alone. `most`: in a copy, the largest pool
    that the other resource may have granted.
    """

    holder: str
    blind_until: float = 0.0
    pods: Mapping[str, Entry] = field(default_factory=dict)
    ghosts: tuple[Ghost, ...] = ()
    moves: tuple[float, ...] = ()
    most: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As stored in the resource's `status.ledger`; defaults are omitted."""
        return {
            "holder": self.holder,
            "blindUntil": self.blind_until,
            "pods": [_given(each) for _, each in sorted(self.pods.items())],
            "ghosts": [_given(each) for each in self.ghosts],
            "moves": list(self.moves),
            **({"most": self.most} if self.most else {}),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any] | None) -> "Ledger | None":
        """None if it is missing or damaged: both count as a lost ledger."""
        try:
            entries = [_read(Entry, each) for each in given["pods"]] if given else None
            if given is None or entries is None:
                return None
            return cls(
                str(given["holder"]),
                float(given["blindUntil"]),
                {each.uid: each for each in entries},
                tuple(_read(Ghost, each) for each in given["ghosts"]),
                tuple(map(float, given["moves"])),
                int(given.get("most", 0)),
            )
        except (KeyError, TypeError, ValueError):
            return None


def ledgers_of_replicas(status: Mapping[str, Any] | None) -> dict[str, Ledger | None]:
    """The ledgers of read replicas in a resource's status, by the replica's name."""
    found = (status or {}).get("replicas") or ()
    return {str(each.get("name")): Ledger.from_dict(each.get("ledger")) for each in found}


Record = TypeVar("Record", Entry, Ghost)


def _given(each: Entry | Ghost) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(each)}
    values = {name: getattr(each, name) for name in defaults}
    return {_camel(name): value for name, value in values.items() if value != defaults[name]}


def _read(kind: type[Record], given: Mapping[str, Any]) -> Record:
    return kind(**{field.name: given[_camel(field.name)] for field in fields(kind) if _camel(field.name) in given})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
