"""How readings change the ledger: a cap rises at once, and falls only when a reading proves that the pool has shrunk.

A killed sidecar leaves queries in PostgreSQL that its successor does not know of, so a small number read from a console
proves something only if it comes from the recorded process. That is certain if the console connection is still the
same, or if the pool has the recorded size and this is not the size that a sidecar starts with: only the process that
received the command has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobfinder_operator.deciding.ledger import GUESSED, UNASKED, Entry, Ghost, Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Reading, Snapshot, living

OVERDUE_SECONDS = 15.0  # after the grace period, before a Terminating pod counts as lost


@dataclass(frozen=True, slots=True)
class Drift:
    """A change that this operator did not make: `kind` is `raised`, `lowered`, `restarted` or `unrecorded`. `message`
    names the pod.
    """

    kind: str
    message: str


@dataclass(slots=True)
class Account:
    """A ledger being brought up to date. Pods `in_doubt` (uids) may run another process than the recorded one."""

    parameters: Parameters
    now: float
    blind_until: float
    entries: dict[str, Entry] = field(default_factory=dict)
    ghosts: list[Ghost] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    in_doubt: set[str] = field(default_factory=set)

    def bury(self, entry: Entry, seconds: float) -> None:
        """Count the cap of `entry` for `seconds` more: PostgreSQL may still run its queries."""
        until = self.now + seconds
        self.ghosts.append(Ghost(entry.uid, entry.name, entry.cap, until, seconds, entry.foreign, entry.born_with))

    def drifted(self, kind: str, message: str) -> None:
        self.drifts.append(Drift(kind, message))


def take_over(ledger: Ledger, holder: str, now: float, linger_seconds: float) -> Ledger:
    """The ledger as a new operator process must read it. All waiting times start again on its own clock, because
    commands of the former process may still take effect.
    """
    if ledger.holder == holder:
        return ledger
    entries = {
        uid: replace(each, asked_at=now, session="", leaving_at=now if each.leaving_at is not None else None)
        for uid, each in ledger.pods.items()
    }
    ghosts = tuple(replace(each, until=now + each.seconds) for each in ledger.ghosts)
    blind = now + linger_seconds if ledger.blind_until else 0.0
    return Ledger(holder, blind, entries, ghosts)


def inherited(ledger: Ledger | None, parameters: Parameters, now: float) -> Ledger:
    """The ledger to start from if there is none, or only a copy of another resource's. What was granted since is
    unknown: every copied cap is raised to the largest that may have been granted, and nothing grows for a while.
    """
    blind = now + parameters.command_seconds + parameters.linger_seconds
    if ledger is None:
        return Ledger(parameters.holder, blind)
    copied = take_over(ledger, parameters.holder, now, parameters.linger_seconds)
    most = max(parameters.per_pod_max, ledger.most)
    entries = {uid: replace(each, cap=max(each.cap, most), wanted=GUESSED) for uid, each in copied.pods.items()}
    return replace(copied, blind_until=blind, pods=entries, most=most)


def still_haunting(ledger: Ledger, observed: Snapshot, parameters: Parameters, now: float) -> list[Ghost]:
    """The ghosts that still count. One whose end is confirmed only now waits `linger_seconds` from now at most."""
    until = now + parameters.linger_seconds
    heard = (
        replace(each, until=min(each.until, until), seconds=min(each.seconds, parameters.linger_seconds))
        if each.uid in observed.ended
        else each
        for each in ledger.ghosts
    )
    return [each for each in heard if each.until > now]


@dataclass(frozen=True, slots=True)
class Guess:
    """After a ledger was lost: the most that a pod without an entry may have; 0: what it starts with. `foreign`: the
    same for a pod of another Deployment whose console cannot be read.
    """

    own: int = 0
    foreign: int = 0


def absorb(account: Account, recorded: Mapping[str, Entry], observed: Snapshot, guess: Guess) -> None:
    """Fill `account` with all existing pods; recorded pods that no longer exist become ghosts."""
    every, foreign = observed.pods + observed.neighbours, {pod.uid for pod in observed.neighbours}
    pods = {pod.uid: pod for pod in living(every)}
    ended = observed.ended | {pod.uid for pod in every if pod.phase is Phase.FINISHED and pod.reachable}
    for uid, entry in recorded.items():
        if uid not in pods:
            account.bury(entry, _afterlife(account, entry, told=uid in ended))
    for uid, pod in pods.items():
        unread = uid in foreign and pod.reading is None
        unknown = max(observed.recorded.get(uid, 0), guess.foreign if unread else guess.own)
        entry = recorded.get(uid) or _newcomer(account, pod, unknown)
        entry = replace(_described(account, entry, pod), foreign=uid in foreign)
        account.entries[uid] = _judged(account, entry, pod)


def _afterlife(account: Account, entry: Entry, *, told: bool) -> float:
    """Seconds for which the cap of a pod that is gone still counts. An object deleted by force disappears before its
    containers, which run until their grace period ends; on a lost node they may run longer. `told`: the kubelet has
    reported their end.
    """
    linger_seconds = account.parameters.linger_seconds
    if told and entry.reachable:
        return linger_seconds
    if not entry.reachable or _is_overdue(account, entry):
        return linger_seconds + max(entry.grace_seconds, account.parameters.lost_seconds)
    begun = account.now if entry.leaving_at is None else entry.leaving_at
    return linger_seconds + max(0.0, begun + entry.grace_seconds - account.now)


def _is_overdue(account: Account, entry: Entry) -> bool:
    """Whether the pod is Terminating long after its grace period: its node may be lost."""
    return entry.leaving_at is not None and account.now > entry.leaving_at + entry.grace_seconds + OVERDUE_SECONDS


def _newcomer(account: Account, pod: PodSeen, guess: int) -> Entry:
    born_with = pod.born_with or 0
    if guess:
        return Entry(pod.uid, pod.name, max(guess, born_with), GUESSED, asked_at=account.now)
    reading = pod.reading
    if reading is None or reading.pool_size == born_with:
        return Entry(pod.uid, pod.name, born_with)
    size = reading.pool_size
    entry = Entry(pod.uid, pod.name, max(size, born_with), size, size, reading.session)
    account.drifted("unrecorded", f"{pod.name} has a pool of {reading.pool_size} that is not recorded")
    return entry


def _described(account: Account, entry: Entry, pod: PodSeen) -> Entry:
    """The entry with what the pod object says."""
    leaving_at = None
    if pod.phase is Phase.TERMINATING:
        leaving_at = account.now if entry.leaving_at is None else entry.leaving_at
    return replace(
        entry,
        name=pod.name,
        born_with=pod.born_with or 0,
        leaving_at=leaving_at,
        reachable=pod.reachable,
        grace_seconds=pod.grace_seconds,
        process=entry.process or pod.process,
    )


def _judged(account: Account, entry: Entry, pod: PodSeen) -> Entry:
    """The entry with what the console says, if it was read."""
    reading = pod.reading
    if reading is None:
        return entry
    certain = settled(account.parameters, entry, reading)
    if entry.wanted == GUESSED:
        return _learned(account, entry, reading) if certain else entry
    if _may_be_another(entry, pod, reading):
        if certain:
            return _restarted(account, entry, pod, reading)
        # A command still on its way can also explain the reading: keep the larger cap, and send nothing for now.
        account.in_doubt.add(entry.uid)
        return replace(entry, cap=max(entry.cap, _bound(reading)))
    return _same(account, replace(entry, process=pod.process), reading, certain)


def settled(parameters: Parameters, entry: Entry, reading: Reading) -> bool:
    """Whether every command ever sent to the pod had taken effect, or never will, when `reading` began."""
    if reading.session == entry.session:
        return reading.at >= entry.asked_at
    return reading.at >= entry.asked_at + parameters.command_seconds


def _bound(reading: Reading) -> int:
    return max(reading.pool_size, reading.servers)


def _may_be_another(entry: Entry, pod: PodSeen, reading: Reading) -> bool:
    """Whether the reading may come from another process than the recorded one.

    False if the recorded cap is at most what every sidecar starts with: a restart cannot lower it.
    """
    if reading.session == entry.session or entry.cap <= entry.born_with:
        return False
    replaced = bool(pod.process and entry.process and pod.process != entry.process)
    if not entry.born_with:  # unknown start size: only the container id tells; without one, assume a restart
        return entry.wanted != UNASKED and (replaced or not pod.process)
    # A restart shows as another container id, as the start size, or as a size that was neither asked for nor read last.
    return replaced or reading.pool_size == entry.born_with or reading.pool_size not in (entry.wanted, entry.size)


def _learned(account: Account, entry: Entry, reading: Reading) -> Entry:
    """The first certain reading after a lost ledger. The process may have restarted just before, and no ledger counts
    its predecessor: nothing grows for `linger_seconds`.
    """
    account.blind_until = max(account.blind_until, account.now + account.parameters.linger_seconds)
    wanted = UNASKED if reading.pool_size == entry.born_with else reading.pool_size
    return replace(entry, cap=_bound(reading), wanted=wanted, size=reading.pool_size, session=reading.session)


def _restarted(account: Account, entry: Entry, pod: PodSeen, reading: Reading) -> Entry:
    account.bury(entry, account.parameters.linger_seconds)
    account.drifted("restarted", f"{entry.name}'s PgBouncer is another process with a pool of {reading.pool_size}")
    return replace(
        entry,
        cap=_bound(reading),
        wanted=UNASKED,
        size=reading.pool_size,
        session=reading.session,
        process=pod.process,
    )


def _same(account: Account, entry: Entry, reading: Reading, certain: bool) -> Entry:
    size, bound = reading.pool_size, _bound(reading)
    expected = entry.wanted or entry.born_with
    if size > entry.cap:
        account.drifted("raised", f"{entry.name} has a pool of {size}, {entry.cap} are recorded")
    elif certain and size < min(expected, entry.cap):
        account.drifted("lowered", f"{entry.name} has a pool of {size}, {expected} were set")
    return replace(entry, cap=bound if certain else max(bound, entry.cap), size=size)
