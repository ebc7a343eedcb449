"""An operator process as a state machine with the real `decide`: it can stop or pause in every state."""

from dataclasses import dataclass, field, replace

from jobfinder_operator.deciding import budget
from jobfinder_operator.deciding.budget import Decision, Shrink, Step
from jobfinder_operator.deciding.ledger import Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Snapshot
from tests.unit.operator.model.world import COMMAND, LEASE, Command, Move, Pod, World

READY, READING, DECIDING, RECORDING = "ready", "reading", "deciding", "recording"
WRITING, ACTING = "writing", "acting"


@dataclass
class Rules:
    """Rules of acting; each can be switched off."""

    records_first: bool = True
    compares_versions: bool = True
    checks_size: bool = True
    keeps_session: bool = True
    minds_lease: bool = True
    minds_time: bool = True


@dataclass
class SimOperator:
    """`place` is the number of its pod, which holds the Lease; `number` is its own, which is never reused.

    `sessions`: for each pod the connection's name and the process it leads to. `clock`: how far its clock is ahead.
    """

    place: int
    number: int
    rules: Rules = field(default_factory=Rules)
    phase: str = READY
    sessions: dict[str, tuple[str, int]] = field(default_factory=dict)
    connections: int = 0
    unread: tuple[str, ...] = ()
    observed: Snapshot | None = None
    parameters: Parameters | None = None
    found: Ledger | None = None
    version: int = -1
    decision: Decision | None = None
    began_at: float = 0.0
    decided_at: float = 0.0
    clock: float = 0.0
    steps: tuple[Step, ...] = ()
    demands: dict[str, float] = field(default_factory=dict)

    def clone(self) -> "SimOperator":
        return replace(self, sessions=dict(self.sessions))

    def moves(self, world: World) -> list[Move]:
        """The possible next moves; the first one is the move without a failure."""
        match self.phase:
            case "ready":
                free = world.lease[0] == self.place or world.lease[1] <= world.now
                return [("begin",)] if free else []
            case "reading":
                return [("read",), ("cannot read",)]
            case "acting":
                return [("do",), ("lose",), ("fail",)]
            case _:
                return [("go",)]

    def make(self, world: World, move: Move) -> None:
        match self.phase:
            case "ready":
                self._begin(world)
            case "reading":
                self._read(world, answered=move[0] == "read")
            case "deciding":
                self._decide(world)
            case "recording":
                self.phase = WRITING if self._may_act(world) else READY
            case "writing":
                self._record(world)
            case "acting":
                self._act(world, move[0])

    def holds(self, world: World) -> bool:
        return world.lease[0] == self.place and world.now < world.lease[1]

    def _begin(self, world: World) -> None:
        world.lease = (self.place, world.now + LEASE)
        self.began_at = world.now
        self.observed = replace(world.observe(), at=world.now + self.clock)
        self.unread = tuple(pod.uid for pod in self.observed.pods)
        self.phase = READING if self.unread else DECIDING

    def _read(self, world: World, *, answered: bool) -> None:
        assert self.observed is not None
        uid, self.unread = self.unread[0], self.unread[1:]
        pod = world.find(uid)
        if answered and pod is not None and pod.process is not None and pod.reachable:
            reading = world.reading(pod, self._session(world, pod))
            reading = replace(reading, at=world.now + self.clock)
            pods = tuple(replace(each, reading=reading) if each.uid == uid else each for each in self.observed.pods)
            self.observed = replace(self.observed, pods=pods)
        else:
            self.sessions.pop(uid, None)
        if not self.unread:
            self.phase = DECIDING

    def _session(self, world: World, pod: Pod) -> str:
        assert pod.process is not None
        name, process = self.sessions.get(pod.uid, ("", -1))
        if process != pod.process.number:
            self.connections += 1
            name = f"{self.number}/{self.connections}"
            self.sessions[pod.uid] = (name, pod.process.number)
        return name

    def _decide(self, world: World) -> None:
        assert self.observed is not None
        self.parameters = world.parameters
        self.found, self.version, self.decided_at = world.recorded, world.version, world.now
        parameters = replace(world.parameters, holder=f"operator-{self.number}")
        observed = replace(self.observed, demands=self.demands)
        self.decision = budget.decide(parameters, self.found, observed, world.now + self.clock)
        self.steps = self.decision.steps
        self.phase = RECORDING
        if not self.rules.records_first:
            self.phase = ACTING if self.steps else RECORDING

    def _record(self, world: World) -> None:
        assert self.decision is not None
        if world.version != self.version and self.rules.compares_versions:
            self.phase = READY
            return
        ledger = self.decision.ledger
        if ledger != self.found:
            world.record(ledger)
        if self.parameters == world.parameters:
            assert self.observed is not None
            world.recorded_by(self.observed, self.decision, self.began_at)
        self.phase = ACTING if self.steps else READY

    def _may_act(self, world: World) -> bool:
        return self.holds(world) or not self.rules.minds_lease

    def _act(self, world: World, how: str) -> None:
        step, self.steps = self.steps[0], self.steps[1:]
        in_time = world.now <= self.decided_at + COMMAND / 2 or not self.rules.minds_time
        if in_time and self._may_act(world):
            self._say(world, step, how)
        if not self.steps:
            self.phase = READY if self.rules.records_first else RECORDING

    def _say(self, world: World, step: Step, how: str) -> None:
        pod = world.find(step.uid)
        session, number = self.sessions.get(step.uid, ("", -1))
        process = pod.process if pod is not None else None
        if pod is None or process is None or not pod.reachable:
            self.sessions.pop(step.uid, None)
            return
        if self.rules.keeps_session and (session != step.session or number != process.number):
            self.sessions.pop(step.uid, None)
            return
        if self.rules.checks_size and process.size != step.expect:
            return
        if how == "do":
            world.set_size(process, step.to)
            if isinstance(step, Shrink) and process.backends > step.to:
                process.draining = True
            return
        self.sessions.pop(step.uid, None)
        if how == "lose":
            world.commands.append(Command(process.number, step.to, world.now + COMMAND / 2))
