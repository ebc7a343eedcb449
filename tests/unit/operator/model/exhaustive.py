"""Explores the reachable states of a small cluster with the real `decide`.

It assumes the worst: every PgBouncer holds all the connections that it may, and backends that have lost their
PgBouncer stay as long as they can. Time passes in steps of half a linger.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobfinder_operator.deciding.ledger import Entry, Ledger
from jobfinder_operator.deciding.parameters import Parameters
from tests.unit.operator.model.sim_operator import ACTING, DECIDING, READING, READY, WRITING, Rules, SimOperator
from tests.unit.operator.model.traffic import SMALL
from tests.unit.operator.model.world import COMMAND, GRACE, LINGER, LOST, Move, Pod, World

TICK = LINGER / 2
FORGOTTEN = 10.0  # seconds after which the time of an event makes no difference
BUSY = 6.0


TIGHT = replace(SMALL, budget=8, max_pods=3, headroom=1, per_pod_max=5, moves_per_minute=1000)
NARROW = replace(TIGHT, budget=9)
LARGE = replace(TIGHT, budget=10, max_pods=4)


@dataclass(frozen=True)
class Scene:
    """`may`: how often each event can happen. Demand is on the pods `busy`, after a shift on `then`; `shifted`: the
    shift happens right before the scene.
    """

    name: str
    may: Mapping[str, int]
    pods: int = 2
    operators: int = 1
    parameters: Parameters = TIGHT
    busy: tuple[int, ...] = (0,)
    then: tuple[int, ...] = (1,)
    template: int = 1
    granted: bool = True
    shifted: bool = False


@dataclass
class State:
    """The state of the cluster, and the events that may still happen."""

    world: World
    operators: list[SimOperator]
    may: dict[str, int]
    busy: tuple[int, ...]
    then: tuple[int, ...]

    def clone(self) -> "State":
        return State(
            self.world.clone(), [each.clone() for each in self.operators], dict(self.may), self.busy, self.then
        )

    def key(self) -> tuple[Any, ...]:
        """Equal for states that have the same future."""
        world, now = self.world, self.world.now
        return (
            tuple(sorted(self.may.items())),
            self.busy,
            world.parameters,
            world.promises,
            world.overrun,
            tuple(_of_pod(pod, now) for pod in world.pods),
            tuple(sorted((each.backends, each.until - now, each.excused) for each in world.orphans)),
            tuple((each.process, each.size, each.until - now) for each in world.commands),
            _of_ledger(world.recorded, now + self._clock_of(world.recorded)),
            (world.lease[0], max(0.0, world.lease[1] - now)),
            tuple(self._of_operator(each) for each in self.operators),
        )

    def _clock_of(self, ledger: Ledger | None) -> float:
        """Offset of the clock of the recorded times; 0 if its operator is gone, as they are then never compared."""
        clocks = {f"operator-{each.number}": each.clock for each in self.operators}
        return clocks.get(ledger.holder, 0.0) if ledger else 0.0

    def _of_operator(self, each: SimOperator) -> tuple[Any, ...]:
        now = self.world.now
        state: tuple[Any, ...] = (each.number, each.phase, tuple(sorted(each.sessions.items())))
        if each.phase == READY:
            return state
        assert each.decision is not None
        ledger = _of_ledger(each.decision.ledger, now + each.clock)
        return (
            *state,
            now - each.began_at,
            ledger,
            each.steps,
            min(now - each.decided_at, FORGOTTEN),
            each.version - self.world.version,
        )


def _of_pod(pod: Pod, now: float) -> tuple[Any, ...]:
    process = pod.process
    running = process and (process.number, process.size, process.backends, process.draining, process.tainted_at)
    dies_in = None if pod.dies_at is None or process is None else pod.dies_at - now
    return pod.uid, running, pod.told, pod.exists, pod.failed, pod.terminating, pod.reachable, dies_in


def _of_ledger(ledger: Ledger | None, now: float) -> Any:
    if ledger is None:
        return None
    entries = tuple(
        (e.uid, e.cap, e.wanted, e.size, e.session, e.process, e.reachable, _ago(e.asked_at, now), _since(e, now))
        for e in ledger.pods.values()
    )
    ghosts = tuple((each.uid, each.cap, _ago(each.until, now), each.seconds) for each in ledger.ghosts)
    return ledger.holder, ledger.blind_until and _ago(ledger.blind_until, now), entries, ghosts


def _since(entry: Entry, now: float) -> float | None:
    return None if entry.leaving_at is None else _ago(entry.leaving_at, now)


def _ago(at: float, now: float) -> float:
    return max(at - now, -FORGOTTEN)


def begin(scene: Scene, rules: Rules) -> State:
    """The first state: the pods exist, and the first operator has granted their pools."""
    world = World(scene.parameters, template=scene.template, greedy=True)
    for _ in range(scene.pods):
        world.born()
    operators = [SimOperator(place, place, rules, clock=50.0 * place) for place in range(scene.operators)]
    state = State(world, operators, dict(scene.may), scene.busy, scene.then)
    world.record(Ledger("operator-0"))
    for _ in range(6 if scene.granted else 0):
        _round(state, operators[0])
        for pod in world.pods:
            _drain(pod)
    world.pass_time(FORGOTTEN)
    if scene.shifted:
        state.busy, state.then = state.then, state.busy
    return state


def _round(state: State, operator: SimOperator) -> None:
    _make(state, ("operator", operator.place, "look"))
    while operator.phase != READY:
        operator.make(state.world, operator.moves(state.world)[0])


def _drain(pod: Pod) -> None:
    if pod.process is not None and pod.process.draining:
        pod.process.backends, pod.process.draining = min(pod.process.backends, pod.process.size), False


def moves(state: State) -> Iterator[Move]:
    """All moves that are possible next."""
    world = state.world
    for operator in state.operators:
        yield from (("operator", operator.place, each) for each in _operator_moves(operator, state))
        if state.may.get("crash") and operator.phase != READY:
            yield "crash", operator.place
    for number, _ in enumerate(world.commands):
        yield "land", number
    for pod in world.pods:
        if pod.process is not None and pod.process.draining:
            yield "drain", pod.uid
        yield from ((name, pod.uid) for name in _pod_moves(pod, world.recorded) if state.may.get(name))
    for name in ("tick", "birth", "shift", "loss", "poorer", "floor"):
        if state.may.get(name) and not (name == "birth" and len(world.pods) >= world.parameters.max_pods):
            yield (name,)


def _operator_moves(operator: SimOperator, state: State) -> Iterator[str]:
    possible = [move[0] for move in operator.moves(state.world)]
    if operator.phase == READY:
        yield from ("look" for _ in possible)
    elif operator.phase == ACTING:
        yield "do"
        yield from (name for name in ("lose", "fail") if state.may.get(name))
    else:
        yield possible[0]


def _pod_moves(pod: Pod, recorded: Ledger | None) -> Iterator[str]:
    """Pods of a lost node are removed only after the node is known to be lost."""
    entry = recorded.pods.get(pod.uid) if recorded else None
    if pod.exists and pod.process is not None:
        yield "kill"
        yield from ("hand",) if pod.reachable else ()
    if pod.exists and not pod.terminating:
        yield "delete"
    if pod.exists and pod.terminating and pod.reachable:
        yield "gone"
    if pod.exists:
        yield from ("force",) if pod.reachable or (entry and not entry.reachable) else ()
        yield from ("cut",) if pod.reachable else ()


def _make(state: State, move: Move) -> None:
    world, name = state.world, move[0]
    if name in state.may:
        state.may[name] -= 1
    match name:
        case "operator":
            _operate(state, state.operators[move[1]], move[2])
        case "crash":
            old = state.operators[move[1]]
            state.operators[move[1]] = SimOperator(old.place, old.number + 10, old.rules, clock=old.clock + 30.0)
        case "land":
            world.land(world.commands[move[1]])
        case "tick":
            world.pass_time(TICK)
        case "birth":
            world.born()
        case "shift":
            state.busy, state.then = state.then, state.busy
        case "loss":
            world.recorded, world.version = None, world.version + 1
        case "poorer":
            world.edit(budget=world.parameters.budget - 2)
        case "floor":
            world.edit(floor=world.parameters.floor + 1)
        case _:
            _happen_to(world, name, next(pod for pod in world.pods if pod.uid == move[1]))


def _operate(state: State, operator: SimOperator, how: str) -> None:
    world = state.world
    if how in ("lose", "fail"):
        state.may[how] -= 1
    if how != "look":
        operator.make(world, (how,))
        if operator.phase == WRITING and len(state.operators) == 1:
            operator.make(world, (how,))
        return
    operator.demands = {pod.uid: BUSY if n in state.busy else 0.0 for n, pod in enumerate(world.pods)}
    operator.make(world, ("begin",))
    while operator.phase in (READING, DECIDING):
        operator.make(world, operator.moves(world)[0])


def _happen_to(world: World, name: str, pod: Pod) -> None:
    match name:
        case "drain":
            _drain(pod)
        case "kill":
            world.end(pod)
            world.start(pod)
        case "hand":
            world.set_by_hand(pod, world.parameters.per_pod_max)
        case "delete":
            pod.terminating = True
            pod.dies_at = world.now + GRACE if pod.reachable else None
        case "gone":
            world.end(pod)
            world.remove(pod, 0)
            world.ended |= {pod.uid}
        case "force":
            world.remove(pod, GRACE if pod.reachable else max(GRACE, LOST))
        case "cut":
            pod.reachable = False


@dataclass
class Outcome:
    """The number of states; `path` leads to the first violation."""

    states: int
    violation: str = ""
    path: list[Move] = field(default_factory=list)


def explore(scene: Scene, rules: Rules | None = None, most: int = 1_000_000, deep: bool = False) -> Outcome:
    """Explore at most `most` reachable states, up to the first violation.

    Breadth first, so that the path to a violation is the shortest; with `deep` depth first, which finds a late one
    sooner.
    """
    first = begin(scene, rules or Rules())
    seen = {first.key()}
    waiting: deque[tuple[State, Any]] = deque([(first, None)])
    while waiting and len(seen) < most:
        state, path = waiting.pop() if deep else waiting.popleft()
        for move in reversed(list(moves(state))) if deep else moves(state):
            following = state.clone()
            _make(following, move)
            here = (move, path)
            if violation := following.world.check():
                return Outcome(len(seen), violation, _unrolled(here))
            if (key := following.key()) not in seen:
                seen.add(key)
                waiting.append((following, here))
    return Outcome(len(seen))


def _unrolled(path: Any) -> list[Move]:
    moves: list[Move] = []
    while path is not None:
        moves.insert(0, path[0])
        path = path[1]
    return moves


assert COMMAND / 2 == TICK
lost_commands = Scene("lost commands", {"tick": 3, "shift": 2, "lose": 1}, busy=(), parameters=NARROW)
crashes = Scene("crashes", {"tick": 2, "shift": 1, "kill": 1, "crash": 1})
killed_sidecars = Scene("killed sidecars", {"tick": 3, "shift": 1, "kill": 1, "fail": 1})
replaced_pods = Scene("replaced pods", {"tick": 3, "delete": 1, "gone": 1, "birth": 1})
forced_deletion = Scene("forced deletion", {"tick": 4, "force": 1, "shift": 1})
lost_node = Scene("a lost node", {"tick": 5, "cut": 1, "force": 1})
two_operators = Scene("two operators", {"tick": 3, "shift": 1}, operators=2, busy=(), parameters=NARROW, shifted=True)
late_operator = replace(two_operators, name="a late operator", may={"tick": 4, "shift": 1})
set_by_hand = Scene("set by hand", {"tick": 2, "shift": 1, "hand": 1})
lost_ledger = Scene("a lost ledger", {"tick": 6, "loss": 1, "kill": 1})
edited = Scene("edited", {"tick": 2, "poorer": 1, "floor": 1, "birth": 1})
larger_template = Scene("a larger template", {"tick": 2, "shift": 1, "birth": 1}, template=2)
four_pods = Scene("four pods", {"tick": 2, "kill": 1, "shift": 1}, pods=4, parameters=LARGE)
SCENES = (
    lost_commands,
    crashes,
    killed_sidecars,
    replaced_pods,
    forced_deletion,
    lost_node,
    two_operators,
    set_by_hand,
    lost_ledger,
    edited,
    larger_template,
    four_pods,
)
