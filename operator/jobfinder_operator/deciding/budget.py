"""The budget protocol: from the ledger and a snapshot to a new ledger, and the steps to take once it is recorded.

    floor x max(maxPods, holders)  +  sum over holders of max(0, cap - floor)  +  headroom  +  reserved
        <=  connectionBudget

A holder is a PgBouncer that may have connections: that of a pod, whatever the pod's state, or a ghost, which has ended
while PostgreSQL may still run its queries. `floor` is the largest size with which any pod's sidecar starts. `reserved`
are the connections of other Deployments' pods on this PostgreSQL: they are counted, but never resized.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from jobfinder_operator.deciding.evidence import (
    Account,
    Drift,
    Guess,
    absorb,
    inherited,
    settled,
    still_haunting,
    take_over,
)
from jobfinder_operator.deciding.ledger import GUESSED, UNASKED, Entry, Ghost, Ledger
from jobfinder_operator.deciding.parameters import Parameters, too_little
from jobfinder_operator.deciding.shares import Claim, Rules, targets
from jobfinder_operator.deciding.snapshot import PodSeen, Reading, Snapshot, living

MINUTE = 60.0
NONE = -1  # `Plan.room` while it is unknown what was granted: nothing grows


@dataclass(frozen=True, slots=True)
class Shrink:
    """On the console connection `session`: check that the pool size is `expect`; set it to `to`; if SHOW SERVERS counts
    more than `to`, send RECONNECT and poll until it does not. Does nothing if the console connection has changed.
    """

    uid: str
    name: str
    to: int
    expect: int
    session: str


@dataclass(frozen=True, slots=True)
class Grow:
    """On the console connection `session`: check that the pool size is `expect`; set it to `to`."""

    uid: str
    name: str
    to: int
    expect: int
    session: str


Step = Shrink | Grow


@dataclass(frozen=True, slots=True)
class Sums:
    """The arithmetic of the budget; `total` is the left side of the inequality.

    `granted`: sum of the caps of all holders. `used`: connections that the consoles report.
    """

    budget: int
    headroom: int
    floor: int
    slots: int
    holders: int
    above_floor: int
    granted: int
    used: int
    reserved: int = 0

    @property
    def unborn(self) -> int:
        """Pods that do not exist yet but may start at any time."""
        return self.slots - self.holders

    @property
    def total(self) -> int:
        return self.floor * self.slots + self.above_floor + self.headroom + self.reserved

    @property
    def room(self) -> int:
        """Connections that can still be granted; below 0 if the budget is exceeded."""
        return self.budget - self.total


@dataclass(frozen=True, slots=True)
class Decision:
    """Record `ledger` first, if it differs from the one that was read; if that fails, take no steps.

    Then take the steps, shrinks before grows; each may fail alone. Start the next reading only after all were tried: at
    once while `unsettled`, and at `wake_at` at the latest. `targets`: the share of each pod by uid. `infeasible`: why
    the budget cannot work; empty if it can.
    """

    ledger: Ledger
    steps: tuple[Step, ...]
    drifts: tuple[Drift, ...]
    sums: Sums
    targets: dict[str, int]
    unsettled: bool
    wake_at: float | None = None
    infeasible: str = ""


@dataclass(slots=True)
class Plan:
    """Steps, and the entries to record before them; `room`: connections that may still be granted."""

    parameters: Parameters
    floor: int
    room: int
    now: float
    entries: dict[str, Entry]
    steps: list[Step] = field(default_factory=list)

    def shrink(self, entry: Entry, reading: Reading, to: int) -> None:
        self.steps.append(Shrink(entry.uid, entry.name, to, reading.pool_size, reading.session))
        self._asked(entry, reading, to)

    def grow(self, entry: Entry, reading: Reading, to: int) -> None:
        """Grow as far as `room` allows."""
        # The sums already contain each entry's cap and, for every slot, the floor: growing up to these uses no room.
        # While the budget is exceeded (room < 0), it grows up to its recorded cap only.
        covered = max(entry.cap, self.floor) if self.room >= 0 else entry.cap
        to = min(to, covered + max(0, self.room))
        if to > reading.pool_size:
            self.room -= max(0, to - covered)
            self.steps.append(Grow(entry.uid, entry.name, to, reading.pool_size, reading.session))
            self._asked(replace(entry, cap=max(entry.cap, to)), reading, to)

    def _asked(self, entry: Entry, reading: Reading, to: int) -> None:
        """The session is recorded only if no earlier command can still take effect. Otherwise one sent on an older
        console connection might run after this one, and readings of this session would prove nothing.
        """
        alone = settled(self.parameters, entry, reading)
        session = reading.session if alone else ""
        self.entries[entry.uid] = replace(entry, wanted=to, session=session, asked_at=self.now)


def decide(parameters: Parameters, ledger: Ledger | None, observed: Snapshot, now: float) -> Decision:
    """`ledger`: what is recorded *now* (a consistent read), None if there is none. `now`: a time of the operator's
    monotonic clock, not before `observed.at`.
    """
    account = _account(parameters, ledger, observed, now)
    parameters = replace(parameters, reserved=_reserved(account, observed))
    floor = _floor(parameters, observed)
    sums = _sums(parameters, floor, account, observed)
    infeasible = too_little(parameters.budget, floor, parameters.max_pods, parameters.headroom, parameters.reserved)
    claims, fixed = _claims(account, observed, floor)
    # Times of another operator process are on another clock: its moves are not counted.
    moves = [at for at in (ledger.moves if ledger and ledger.holder == parameters.holder else ()) if at > now - MINUTE]
    # `free` is what the claims share: the budget without headroom, other Deployments, the floors of all slots that have
    # no claim (pods that cannot be resized now or do not exist yet), and what such holders have above the floor.
    free = sums.budget - sums.headroom - sums.reserved - floor * (sums.slots - len(claims)) - fixed
    rules = Rules(free, floor, max(floor, parameters.per_pod_max), max(0, parameters.moves_per_minute - len(moves)))
    # The floors of `max_pods` do not fit: keep the present sizes while the existing pods fit, else shrink.
    if infeasible and _holding(sums, account) <= parameters.budget:
        wanted, moved = {claim.uid: claim.size for claim in claims}, 0
    else:
        wanted, moved = targets(claims, rules)
    growing = now >= account.blind_until
    plan = Plan(parameters, floor, sums.room if growing else NONE, now, account.entries)
    if parameters.acts:
        _plan_steps(plan, wanted, observed)
        moves += [now] * moved if plan.steps else []
    recorded = Ledger(
        parameters.holder, 0.0 if growing else account.blind_until, plan.entries, tuple(account.ghosts), tuple(moves)
    )
    return Decision(
        recorded,
        tuple(plan.steps),
        tuple(account.drifts),
        _sums(parameters, floor, account, observed),
        {uid: wanted.get(uid, entry.cap) for uid, entry in plan.entries.items()},
        bool(plan.steps) or _unsettled(account, observed),
        _wake_at(parameters, account, now),
        infeasible,
    )


def _account(parameters: Parameters, ledger: Ledger | None, observed: Snapshot, now: float) -> Account:
    """The ledger, brought up to date with the snapshot."""
    lost = ledger is None or not ledger.holder
    if ledger is None or lost:
        ledger = inherited(ledger, parameters, now)
    ledger = take_over(ledger, parameters.holder, now, parameters.linger_seconds)
    account = Account(parameters, now, ledger.blind_until)
    account.ghosts += still_haunting(ledger, observed, parameters, now)
    guess = Guess(max(parameters.per_pod_max, ledger.most), ledger.most) if lost else Guess()
    absorb(account, ledger.pods, observed, guess)
    return account


def _reserved(account: Account, observed: Snapshot) -> int:
    """Connections of other Deployments' pods, existing and future ones; their ghosts are among the pods that
    `neighbour_floors` counts, as a rollout replaces them.
    """
    every: list[Entry | Ghost] = [*account.entries.values(), *account.ghosts]
    foreign = [each for each in every if each.foreign]
    floors = max(observed.neighbour_floors, sum(min(each.cap, each.born_with) for each in foreign))
    return floors + sum(max(0, each.cap - each.born_with) for each in foreign)


def _caps(account: Account) -> list[int]:
    """Caps of the resource's own holders, pods and ghosts."""
    entries = [entry.cap for entry in account.entries.values() if not entry.foreign]
    return entries + [ghost.cap for ghost in account.ghosts if not ghost.foreign]


def _floor(parameters: Parameters, observed: Snapshot) -> int:
    born = [pod.born_with or 0 for pod in living(observed.pods)]
    return max(parameters.floor, observed.workload.born_with or 0, *born, 1)


def _sums(parameters: Parameters, floor: int, account: Account, observed: Snapshot) -> Sums:
    caps = _caps(account)
    return Sums(
        budget=parameters.budget,
        headroom=parameters.headroom,
        floor=floor,
        slots=max(parameters.max_pods, len(caps)),
        holders=len(caps),
        above_floor=sum(max(0, cap - floor) for cap in caps),
        granted=sum(caps),
        used=sum(pod.reading.servers for pod in living(observed.pods) if pod.reading),
        reserved=parameters.reserved,
    )


def _holding(sums: Sums, account: Account) -> int:
    """Connections that existing holders need, without floors for pods that may still start."""
    return sums.above_floor + sums.floor * sums.holders + sums.headroom + sums.reserved


def _claims(account: Account, observed: Snapshot, floor: int) -> tuple[list[Claim], int]:
    """Claims of the pods that can be resized, and the sum of what all other holders have above the floor."""
    readings = _open(account, observed)
    claims = [_claim(account.entries[pod.uid], pod, reading, observed) for pod, reading in readings]
    every, told = _caps(account), [account.entries[claim.uid].cap for claim in claims]
    return claims, sum(max(0, cap - floor) for cap in every) - sum(max(0, cap - floor) for cap in told)


def _open(account: Account, observed: Snapshot) -> list[tuple[PodSeen, Reading]]:
    """Pods that can be resized: the console was read, and the process is the recorded one."""
    return [
        (pod, pod.reading)
        for pod in living(observed.pods)
        if pod.reading is not None
        and pod.reachable
        and pod.uid not in account.in_doubt
        and account.entries[pod.uid].wanted != GUESSED
    ]


def _claim(entry: Entry, pod: PodSeen, reading: Reading, observed: Snapshot) -> Claim:
    return Claim(
        uid=entry.uid,
        size=entry.wanted or entry.born_with or reading.pool_size,
        demand=observed.demands.get(entry.uid),
        new=entry.wanted == UNASKED,
        leaving=entry.leaving_at is not None,
        needs=reading.servers_active + reading.clients_waiting + 1,
    )


def _plan_steps(plan: Plan, wanted: dict[str, int], observed: Snapshot) -> None:
    readings = {pod.uid: pod.reading for pod in observed.pods if pod.reading is not None}
    for uid, target in wanted.items():
        reading = readings[uid]
        if reading.pool_size > target or reading.servers > target:
            plan.shrink(plan.entries[uid], reading, target)
    for uid, target in wanted.items():
        if readings[uid].pool_size < target and readings[uid].servers <= target:
            plan.grow(plan.entries[uid], readings[uid], target)


def _unsettled(account: Account, observed: Snapshot) -> bool:
    """Whether a pod has less than its recorded cap, so a step or its confirmation is still pending."""
    readings = {pod.uid: pod.reading for pod in living(observed.pods)}
    return any(
        (reading := readings.get(uid)) is not None and entry.cap > max(reading.pool_size, reading.servers)
        for uid, entry in account.entries.items()
    )


def _wake_at(parameters: Parameters, account: Account, now: float) -> float | None:
    """When time alone next changes a decision: a ghost expires, growth is allowed again, or commands have expired."""
    times: Iterable[float] = [
        *(ghost.until for ghost in account.ghosts),
        account.blind_until,
        *(each.asked_at + parameters.command_seconds for each in account.entries.values()),
    ]
    return min((at for at in times if at > now), default=None)
