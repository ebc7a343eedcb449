"""A simulated cluster for the budget: pods, their PgBouncers, PostgreSQL's backends and the recorded ledger.

Every event is one `Move`, including the passing of time. After each, `check` compares the connections of PostgreSQL
with the limit.
"""

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from jobfinder_operator.deciding.budget import Decision
from jobfinder_operator.deciding.ledger import Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Reading, Snapshot, Workload

LINGER, LOST, COMMAND, GRACE, LEASE = 4.0, 6.0, 4.0, 2.0, 4.0
Move = tuple[Any, ...]


@dataclass(slots=True)
class Process:
    """A PgBouncer. `draining`: RECONNECT was sent. `tainted_at`: when a person set its size by hand; `usual`: the
    size before that.
    """

    number: int
    born: int
    size: int
    backends: int = 0
    draining: bool = False
    tainted_at: float | None = None
    usual: int = 0


@dataclass(slots=True)
class Pod:
    """`exists`: the API server has its object. `dies_at`: the latest time at which its process is killed."""

    uid: str
    born: int
    process: Process | None
    told: int
    exists: bool = True
    failed: bool = False
    terminating: bool = False
    reachable: bool = True
    dies_at: float | None = None


@dataclass(slots=True)
class Orphans:
    """Backends whose PgBouncer has ended."""

    backends: int
    born: int
    until: float
    excused: int


@dataclass(slots=True)
class Command:
    """A SET command that has not reached its process yet."""

    process: int
    size: int
    until: float


@dataclass(frozen=True, slots=True)
class Promise:
    """The budget when everything last fitted into it, or a budget since then."""

    connections: int
    floor: int
    max_pods: int


@dataclass
class World:
    """`greedy`: every PgBouncer always has as many backends as it may. `overrun`: connections above the budget that a
    person has added by hand and an operator has recorded.
    """

    parameters: Parameters
    template: int = 1
    greedy: bool = False
    now: float = 100.0
    pods: list[Pod] = field(default_factory=list)
    orphans: list[Orphans] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    promises: tuple[Promise, ...] = ()
    recorded: Ledger | None = None
    version: int = 0
    lease: tuple[int, float] = (0, 0.0)
    numbers: int = 0
    overrun: int = 0
    violation: str = ""
    ended: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.promises = (self._promise(self.parameters.floor),)

    def clone(self) -> "World":
        """A copy that shares no mutable state."""
        other = copy(self)
        other.pods = [copy(pod) for pod in self.pods]
        for pod in other.pods:
            pod.process = copy(pod.process)
        other.orphans, other.commands = [copy(each) for each in self.orphans], [copy(each) for each in self.commands]
        return other

    # What the operator reads and writes

    def observe(self) -> Snapshot:
        """The list of pods; the consoles are read later."""
        listed = tuple(self._seen(pod) for pod in self.pods if pod.exists)
        return Snapshot(self.now, listed, Workload("app", born_with=self.template), ended=self.ended)

    def _seen(self, pod: Pod) -> PodSeen:
        phase = Phase.FINISHED if pod.failed else Phase.TERMINATING if pod.terminating else Phase.RUNNING
        return PodSeen(
            pod.uid,
            pod.uid,
            phase,
            reachable=pod.reachable,
            process=str(pod.told),
            born_with=pod.born,
            grace_seconds=GRACE,
        )

    def reading(self, pod: Pod, session: str) -> Reading:
        assert pod.process is not None
        process = pod.process
        return Reading(self.now, session, process.size, process.backends, process.backends, process.backends)

    def find(self, uid: str) -> Pod | None:
        return next((pod for pod in self.pods if pod.uid == uid), None)

    def running(self, number: int) -> Process | None:
        """The process of this number, unless it has ended."""
        processes = (pod.process for pod in self.pods)
        return next((each for each in processes if each is not None and each.number == number), None)

    def record(self, ledger: Ledger) -> None:
        """Record the ledger as the API server returns it."""
        self.recorded = Ledger.from_dict(json.loads(json.dumps(ledger.to_dict())))
        assert self.recorded == ledger
        self.version += 1

    def set_size(self, process: Process, size: int) -> None:
        process.size = size
        if self.greedy:
            process.backends = max(process.backends, size)

    # What happens

    def start(self, pod: Pod) -> None:
        self.numbers += 1
        pod.process = Process(self.numbers, pod.born, pod.born)
        self.set_size(pod.process, pod.born)

    def born(self) -> Pod:
        self.numbers += 1
        pod = Pod(f"pod-{self.numbers}", self.template, None, self.numbers + 1)
        self.start(pod)
        self.pods.append(pod)
        return pod

    def end(self, pod: Pod) -> None:
        """End the process; PostgreSQL keeps its backends for a while."""
        process = pod.process
        if process is not None and process.backends:
            until = self.now + LINGER
            self.orphans.append(Orphans(process.backends, process.born, until, _excused(process)))
        pod.process = None
        if not pod.exists:
            self.pods.remove(pod)

    def remove(self, pod: Pod, within: float) -> None:
        """Remove the object; its process ends at most `within` seconds later."""
        pod.exists = False
        pod.dies_at = min(pod.dies_at or self.now + within, self.now + within)
        if pod.process is None:
            self.pods.remove(pod)

    def pass_time(self, seconds: float = 1.0) -> None:
        """Let time pass; processes whose `dies_at` is reached end."""
        then = self.now + seconds
        dying = [pod for pod in self.pods if pod.process is not None and (pod.dies_at or then + 1) <= then]
        for pod in sorted(dying, key=lambda pod: pod.dies_at or 0.0):
            self.now = max(self.now, pod.dies_at or 0.0)
            self.end(pod)
        self.now = then
        self.orphans = [each for each in self.orphans if each.until > self.now]
        self.commands = [each for each in self.commands if each.until > self.now]

    def set_by_hand(self, pod: Pod, size: int) -> None:
        process = pod.process
        assert process is not None
        if process.tainted_at is None:
            process.usual = max(process.size, process.backends)
        process.tainted_at = self.now
        self.set_size(process, size)

    def land(self, command: Command) -> None:
        self.commands.remove(command)
        if (process := self.running(command.process)) is not None:
            self.set_size(process, command.size)

    def edit(self, **changes: Any) -> None:
        """Edit the resource, which also holds the ledger."""
        self.parameters = replace(self.parameters, **changes)
        self.version += 1
        self.promises += (self._promise(self.parameters.floor),)

    def recorded_by(self, seen: Snapshot, decision: Decision, since: float) -> None:
        """An operator that began to look at `since` has recorded its decision about the current resource."""
        if decision.ledger.blind_until:
            return
        room = decision.sums.room
        if room >= 0:
            born = [pod.born_with or 0 for pod in seen.pods]
            self.promises = (self._promise(max(self.parameters.floor, seen.workload.born_with or 0, *born)),)
            self.overrun = 0
        for pod in seen.pods:
            process = getattr(self.find(pod.uid), "process", None)
            entry = decision.ledger.pods.get(pod.uid)
            known = pod.reading is not None and entry is not None and entry.size == pod.reading.pool_size
            if process is not None and known and process.tainted_at is not None and process.tainted_at < since:
                process.tainted_at = None
                self.overrun = max(self.overrun, -room)

    def _promise(self, floor: int) -> Promise:
        return Promise(self.parameters.budget - self.parameters.headroom, floor, self.parameters.max_pods)

    # What must hold

    def check(self) -> str:
        """The violation, or an empty string: PostgreSQL must not hold more connections than allowed."""
        held = sum(pod.process.backends - _excused(pod.process) for pod in self.pods if pod.process)
        held += sum(each.backends - each.excused for each in self.orphans)
        if held > (most := max(self._bound(promise) for promise in self.promises)):
            self.violation = f"PostgreSQL holds {held} connections of {most} at {self.now}"
        return self.violation

    def _bound(self, promise: Promise) -> int:
        """Lingering backends of killed processes count as pods; those beyond maxPods use the headroom."""
        births = [each.born for each in self._holders()]
        larger = sum(max(0, born - promise.floor) for born in births)
        places = promise.floor * max(0, len(births) - promise.max_pods)
        return promise.connections + self.overrun + larger + places

    def _holders(self) -> Iterator[Process | Orphans]:
        yield from (pod.process for pod in self.pods if pod.process is not None)
        yield from self.orphans


def _excused(process: Process) -> int:
    """Connections that a person has added by hand, which no operator can prevent."""
    return 0 if process.tainted_at is None else max(0, process.backends - process.usual)
