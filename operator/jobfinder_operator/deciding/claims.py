"""Whose a Deployment and a PostgreSQL are: of several resources about one of them, the oldest alone acts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from jobfinder_operator.deciding.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Claim:
    """A resource and what it is about. `age` is (creationTimestamp, uid), the smaller the older.

    `things` are words such as `Deployment jobfinder`, equal where the thing is the same. `per_pod_max`: the largest
    pool that it may have granted. `release`: of the Deployment; empty where no label says.
    """

    name: str
    age: tuple[str, str]
    things: frozenset[str]
    ledger: Ledger | None = None
    per_pod_max: int = 0
    release: str = ""


class TargetTaken(Exception):
    """An older resource is about the same. `ledger` is what this one has to record meanwhile."""

    def __init__(self, words: str, ledger: Ledger) -> None:
        super().__init__(words)
        self.ledger = ledger


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
    raise TargetTaken(words, handed_on(mine.ledger, owner))


def handed_on(own: Ledger | None, owner: Claim) -> Ledger:
    """A copy of the owner's ledger, for the case that the owner goes: its caps still count then. It names no holder,
    so that whoever reads it knows that it may be out of date.
    """
    kept, theirs = own or Ledger(""), owner.ledger or Ledger("")
    ghosts = theirs.ghosts + (kept.ghosts if kept.holder else ())
    most = max(kept.most, theirs.most, owner.per_pod_max)
    return replace(theirs, holder="", blind_until=0.0, pods={**kept.pods, **theirs.pods}, ghosts=ghosts, most=most)


def recorded_elsewhere(others: Iterable[Claim]) -> dict[str, int]:
    """What the ledgers of other resources say that each pod (by uid) may have; of use for pods of their own."""
    caps: dict[str, int] = {}
    for each in others:
        for uid, entry in (each.ledger.pods if each.ledger else {}).items():
            caps[uid] = max(caps.get(uid, 0), entry.cap)
    return caps
