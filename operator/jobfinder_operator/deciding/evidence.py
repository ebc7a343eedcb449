"""How what is seen changes what is recorded: a cap rises at once, and falls only on proof that it has fallen.

A sidecar that was killed leaves queries in PostgreSQL that its successor does not know of, so a small number read from
a console proves nothing unless the process is the one that was recorded. It is when the console connection is still the
same, or when its size is the recorded one and not the one that a sidecar starts with: only a process that was told so
has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobfinder_operator.deciding.ledger import GUESSED, UNASKED, Entry, Ghost, Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Reading, Snapshot, living

OVERDUE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that this operator did not do: `kind` is `raised`, `lowered`, `restarted` or `unrecorded`. `message`
    names the pod.
    """

    kind: str
    message: str


@dataclass(slots=True)
class Account:
    """A ledger that is being brought up to date. Pods `in_doubt` may run a process that is not the recorded one."""

    parameters: Parameters
    now: float
    blind_until: float
    entries: dict[str, Entry] = field(default_factory=dict)
    ghosts: list[Ghost] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    in_doubt: set[str] = field(default_factory=set)

    def bury(self, entry: Entry, seconds: float) -> None:
        """Count what `entry` had for so long: PostgreSQL may not have noticed its end."""
        until = self.now + seconds
        self.ghosts.append(Ghost(entry.uid, entry.name, entry.cap, until, seconds, entry.foreign))

    def drifted(self, kind: str, message: str) -> None:
        self.drifts.append(Drift(kind, message))


def take_over(ledger: Ledger, holder: str, now: float, linger_seconds: float) -> Ledger:
    """As another operator process has to read it: whatever its predecessor sent may just be on its way."""
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
    """As nothing, or as another resource's last copy, has to be read: nobody knows what was granted since."""
    blind = now + parameters.command_seconds + parameters.linger_seconds
    if ledger is None:
        return Ledger(parameters.holder, blind)
    copied = take_over(ledger, parameters.holder, now, parameters.linger_seconds)
    most = max(parameters.per_pod_max, ledger.most)
    entries = {uid: replace(each, cap=max(each.cap, most), wanted=GUESSED) for uid, each in copied.pods.items()}
    return replace(copied, blind_until=blind, pods=entries, most=most)


def still_haunting(ledger: Ledger, observed: Snapshot, parameters: Parameters, now: float) -> list[Ghost]:
    """Those of which it is heard only later that they had really ended wait no longer than the others."""
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
    """What a pod of which nothing is recorded may have at most, after a ledger was lost; 0: what it starts with.
    `foreign`: that of a neighbour whose console this operator cannot read.
    """

    own: int = 0
    foreign: int = 0


def absorb(account: Account, recorded: Mapping[str, Entry], observed: Snapshot, guess: Guess) -> None:
    """Fill `account` with every pod that is there; who is gone becomes a ghost."""
    every, foreign = observed.pods + observed.neighbours, {pod.uid for pod in observed.neighbours}
    pods = {pod.uid: pod for pod in living(every)}
    ended = observed.ended | {pod.uid for pod in every if pod.phase is Phase.FINISHED}
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
    """How long what it had counts: an object that is deleted by force goes before its containers do, which have the
    rest of their grace period, and a lost node's may go on for a while.
    """
    linger_seconds = account.parameters.linger_seconds
    if told and entry.reachable:
        return linger_seconds
    if not entry.reachable or _is_overdue(account, entry):
        return linger_seconds + max(entry.grace_seconds, account.parameters.lost_seconds)
    begun = account.now if entry.leaving_at is None else entry.leaving_at
    return linger_seconds + max(0.0, begun + entry.grace_seconds - account.now)


def _is_overdue(account: Account, entry: Entry) -> bool:
    """Still there long after it should have gone: its kubelet does not answer, and the node may be lost."""
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
    account.drifted("unrecorded", f"{pod.name} has a pool of {reading.pool_size} that nobody has recorded")
    return entry


def _described(account: Account, entry: Entry, pod: PodSeen) -> Entry:
    """What the pod itself tells."""
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
    """What the console tells, if it does."""
    reading = pod.reading
    if reading is None:
        return entry
    certain = settled(account.parameters, entry, reading)
    if entry.wanted == GUESSED:
        return _learned(account, entry, reading) if certain else entry
    if _may_be_another(entry, pod, reading):
        if certain:
            return _restarted(account, entry, pod, reading)
        account.in_doubt.add(entry.uid)
        return replace(entry, cap=max(entry.cap, _bound(reading)))
    return _same(account, replace(entry, process=pod.process), reading, certain)


def settled(parameters: Parameters, entry: Entry, reading: Reading) -> bool:
    """Whether everything that was ever sent to the pod has had its effect when `reading` began."""
    if reading.session == entry.session:
        return reading.at >= entry.asked_at
    return reading.at >= entry.asked_at + parameters.command_seconds


def _bound(reading: Reading) -> int:
    return max(reading.pool_size, reading.servers)


def _may_be_another(entry: Entry, pod: PodSeen, reading: Reading) -> bool:
    """Of no account where the recorded one had no more than what every sidecar starts with."""
    if reading.session == entry.session or entry.cap <= entry.born_with:
        return False
    replaced = bool(pod.process and entry.process and pod.process != entry.process)
    if not entry.born_with:  # the pod does not say what its sidecar starts with
        return entry.wanted != UNASKED and (replaced or not pod.process)
    return replaced or reading.pool_size == entry.born_with or reading.pool_size not in (entry.wanted, entry.size)


def _learned(account: Account, entry: Entry, reading: Reading) -> Entry:
    """The first proof after a lost ledger; if it has just restarted, what ended is in no ledger."""
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
