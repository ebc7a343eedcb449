"""Ownership: if several resources target one Deployment or one PostgreSQL, only the oldest acts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from jobfinder_operator.deciding.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Claim:
    """A resource and what it targets. `age` is (creationTimestamp, uid); the smaller is the older.

    `things` are texts such as `Deployment jobfinder`, equal for the same target. `per_pod_max`: the largest pool that
    it may have granted. `release`: the Deployment's label; empty if it has none. `replicas`: the ledgers of replicas.
    """

    name: str
    age: tuple[str, str]
    things: frozenset[str]
    ledger: Ledger | None = None
    per_pod_max: int = 0
    release: str = ""
    replicas: Mapping[str, Ledger | None] = field(default_factory=dict)

    def of(self, replica: str) -> "Claim":
        """The same with the ledger of a replica; the primary's for an empty name."""
        return replace(self, ledger=self.replicas.get(replica)) if replica else self


class TargetTaken(Exception):
    """An older resource has the same target. `ledger`, and for each replica `replicas`, is what this one must record
    meanwhile.
    """

    def __init__(self, words: str, ledger: Ledger, replicas: Mapping[str, Ledger]) -> None:
        super().__init__(words)
        self.ledger, self.replicas = ledger, replicas


def check(mine: Claim, others: Iterable[Claim]) -> None:
    """Raises TargetTaken unless `mine` is the oldest of all claims to each of its things."""
    older = [each for each in others if each.age < mine.age and each.things & mine.things]
    if not older:
        return
    owner = min(older, key=lambda each: each.age)
    shared = " and ".join(sorted(owner.things & mine.things))
    words = (
        f"{shared} belongs to JobFinderConfig {owner.name}, which is older; delete one of the two, or let this one's "
        f"pods use another database"
    )
    replicas = {
        name: handed_on(mine.replicas.get(name), owner.of(name)) for name in {**mine.replicas, **owner.replicas}
    }
    raise TargetTaken(words, handed_on(mine.ledger, owner), replicas)


def handed_on(own: Ledger | None, owner: Claim) -> Ledger:
    """A copy of the owner's ledger, to use if the owner is deleted: its caps still count then. `holder` is empty, which
    marks the copy as possibly out of date.
    """
    kept, theirs = own or Ledger(""), owner.ledger or Ledger("")
    ghosts = theirs.ghosts + (kept.ghosts if kept.holder else ())
    most = max(kept.most, theirs.most, owner.per_pod_max)
    return replace(theirs, holder="", blind_until=0.0, pods={**kept.pods, **theirs.pods}, ghosts=ghosts, most=most)


def recorded_elsewhere(others: Iterable[Claim]) -> dict[str, int]:
    """The largest cap of each pod, by uid, in the ledgers of other resources."""
    caps: dict[str, int] = {}
    for each in others:
        for uid, entry in (each.ledger.pods if each.ledger else {}).items():
            caps[uid] = max(caps.get(uid, 0), entry.cap)
    return caps
