"""Shares of the connections: by demand, or equal if there is no demand."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobfinder_operator.deciding.snapshot import PodSeen, Reading

SMOOTHING_SECONDS = 10.0
SIGNAL = 0.1  # mean connections in use per pod; below this, demand counts as none
PRESSED = 0.7  # a pod whose demand is at least this part of its pool may take from others
WORTHWHILE = 0.2  # other pools are not shrunk for less than this part of a pool


@dataclass(frozen=True, slots=True)
class Demand:
    """Smoothed number of connections that a pod could use, and the SHOW STATS sums it was last computed from."""

    level: float | None
    at: float
    busy_seconds: float
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Demands:
    """Kept in memory from round to round; if lost, shares are equal until demand is measured again."""

    pods: Mapping[str, Demand] = field(default_factory=dict)

    @property
    def levels(self) -> dict[str, float]:
        """For `Snapshot.demands`."""
        return {uid: each.level for uid, each in self.pods.items() if each.level is not None}


def measure(before: Demands, pods: Sequence[PodSeen]) -> Demands:
    """Little's law: the growth of the SHOW STATS sums (seconds) divided by the time between two readings is the mean
    number of connections in use or waited for.
    """
    after = {pod.uid: _measured(before.pods.get(pod.uid), pod.reading) for pod in pods}
    return Demands({uid: each for uid, each in after.items() if each is not None})


def _measured(last: Demand | None, reading: Reading | None) -> Demand | None:
    if reading is None or (last is not None and reading.at <= last.at):
        return last
    sums = (reading.at, reading.busy_seconds, reading.wait_seconds)
    if last is None:
        return Demand(None, *sums)
    grown = reading.busy_seconds + reading.wait_seconds - last.busy_seconds - last.wait_seconds
    if grown < 0:  # the sums started again: PgBouncer has restarted
        return Demand(last.level, *sums)
    passed = reading.at - last.at
    sample = grown / passed
    if reading.clients_waiting:  # clients that still wait are in no sum yet
        sample = max(sample, reading.servers_active + reading.clients_waiting)
    if last.level is None:
        return Demand(sample, *sums)
    weight = 1 - math.exp(-passed / SMOOTHING_SECONDS)
    return Demand(last.level + weight * (sample - last.level), *sums)


@dataclass(frozen=True, slots=True)
class Claim:
    """A pod whose pool can be resized. `size`: the size it was last set to. `demand` None: not measured.

    `new`: never resized since it started. `leaving`: it is Terminating, and needs no more than `needs`.
    """

    uid: str
    size: int
    demand: float | None = None
    new: bool = False
    leaving: bool = False
    needs: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """`total` connections for all claims together, at least `floor` for each and at most `most`.

    `moves`: how many pools may still be shrunk for demand alone.
    """

    total: int
    floor: int
    most: int
    moves: int


def divide(claims: Sequence[Claim], total: int, floor: int, most: int) -> dict[str, int]:
    """Ideal shares: Kleinrock's square root capacity assignment (1964), in whole connections from `floor` to `most`."""
    ideals = _ideals(claims, total)
    shares = {claim.uid: floor for claim in claims}
    missing = [(floor - ideals[uid], uid) for uid in shares if floor < most]
    heapq.heapify(missing)
    for _ in range(total - floor * len(claims)):
        if not missing:
            break
        _, uid = missing[0]
        shares[uid] += 1
        if shares[uid] < most:
            heapq.heapreplace(missing, (shares[uid] - ideals[uid], uid))
        else:
            heapq.heappop(missing)
    return shares


def _ideals(claims: Sequence[Claim], total: int) -> dict[str, float]:
    """Each pod gets its demand, and part of the rest in proportion to its square root. If demand exceeds `total`,
    `total` is divided in proportion to demand.
    """
    known = [claim.demand for claim in claims if claim.demand is not None]
    mean = sum(known) / len(known) if known else 0.0
    if mean < SIGNAL:
        return {claim.uid: total / len(claims) for claim in claims}
    wanted = {claim.uid: mean if claim.demand is None else claim.demand for claim in claims}
    rest = total - sum(wanted.values())
    if rest <= 0:
        return {uid: each * total / sum(wanted.values()) for uid, each in wanted.items()}
    roots = {uid: math.sqrt(each + SIGNAL * mean) for uid, each in wanted.items()}
    return {uid: each + rest * roots[uid] / sum(roots.values()) for uid, each in wanted.items()}


def targets(claims: Sequence[Claim], rules: Rules) -> tuple[dict[str, int], int]:
    """The size that each pod should have now, and how many pools that shrinks for demand alone.

    A pool is shrunk only if another pod needs the connections and the gain is worthwhile, and only as far as needed.
    """
    leaving = {claim.uid: min(claim.size, max(rules.floor, claim.needs)) for claim in claims if claim.leaving}
    staying = [claim for claim in claims if not claim.leaving]
    total = rules.total - sum(leaving.values())
    ideals = divide(staying, total, rules.floor, rules.most) | leaving
    sizes = {claim.uid: max(rules.floor, min(claim.size, rules.most)) for claim in claims}
    _lower(sizes, ideals, leaving, sum(sizes.values()) - rules.total, len(claims))
    room = rules.total - sum(sizes.values())
    needs = {claim.uid: ideals[claim.uid] - sizes[claim.uid] for claim in staying}
    grow_first = sorted((claim for claim in staying if needs[claim.uid] > 0), key=lambda c: (not c.new, c.uid))
    moved = 0
    if sum(max(0, need) for need in needs.values()) > room:
        exact = _ideals(staying, total)
        gains = {uid: min(need, exact[uid] - sizes[uid]) for uid, need in needs.items()}
        grow_first = [claim for claim in grow_first if _entitled(claim, gains[claim.uid], staying)]
        missing = sum(needs[claim.uid] for claim in grow_first) - room
        forced = any(claim.new for claim in grow_first)
        moved = _lower(sizes, ideals, leaving, missing, len(claims) if forced else rules.moves)
        moved = 0 if forced else moved
        room = rules.total - sum(sizes.values())
    for claim in grow_first:
        given = min(needs[claim.uid], max(0, room))
        sizes[claim.uid] += given
        room -= given
    return sizes, moved


def _entitled(claim: Claim, gain: float, staying: Sequence[Claim]) -> bool:
    """Whether other pools are shrunk for it: for a new pod always, else if it is pressed or all pods are idle.

    `gain`: what it is short of, not rounded. Otherwise the connection that is left over when shares are rounded would
    go to and fro between pods whose demands are nearly equal.
    """
    if claim.new:
        return True
    known = [each.demand for each in staying if each.demand is not None]
    idle = sum(known) < SIGNAL * max(1, len(known))
    pressed = claim.demand is not None and claim.demand >= PRESSED * claim.size
    return (pressed or idle) and gain >= max(1.0, WORTHWHILE * claim.size)


def _lower(
    sizes: dict[str, int], ideals: Mapping[str, int], leaving: Mapping[str, int], missing: int, at_most: int
) -> int:
    """Lower sizes above their ideal until `missing` are freed: leaving pods first, then the largest excess. Returns how
    many were lowered.
    """
    lowered = 0
    donors = sorted(sizes, key=lambda uid: (uid not in leaving, ideals[uid] - sizes[uid], uid))
    for uid in donors:
        given = min(sizes[uid] - ideals[uid], missing)
        if given > 0 and lowered < at_most:
            sizes[uid] -= given
            missing -= given
            lowered += 1
    return lowered
