"""Random events of pods, PostgreSQL, operators and the resource, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from jobfinder_operator.deciding.ledger import GUESSED
from jobfinder_operator.deciding.parameters import Parameters
from tests.unit.operator.model.sim_operator import READY, Rules, SimOperator
from tests.unit.operator.model.world import COMMAND, GRACE, LINGER, LOST, Pod, World

SMALL = Parameters(
    budget=16,
    max_pods=4,
    headroom=2,
    floor=1,
    per_pod_max=8,
    linger_seconds=LINGER,
    lost_seconds=LOST,
    command_seconds=COMMAND,
)


@dataclass
class Traffic:
    """A world with two operators, of which one acts."""

    random: Random
    rules: Rules = field(default_factory=Rules)
    calm: bool = False

    def __post_init__(self) -> None:
        self.world = World(SMALL, greedy=self.random.random() < 0.5)
        for _ in range(2):
            self.world.born()
        self.numbers = 0
        self.operators = [self._operator(place) for place in (0, 1)]
        self.events: dict[str, Callable[[], None]] = {
            name.removeprefix("on_"): getattr(self, name) for name in dir(self) if name.startswith("on_")
        }
        self.loyalty = self.random.choice((0.5, 0.9, 0.9))
        self.weights = [WEIGHTS[name] * self._favour(name) for name in self.events]

    def _favour(self, name: str) -> float:
        """Some runs have much of one thing and nothing of another (swarm testing: Groce et al., ISSTA 2012)."""
        return 1.0 if name in ("advance", "tick") else self.random.choice((0.0, 0.3, 1.0, 1.0, 4.0))

    def _operator(self, place: int) -> SimOperator:
        self.numbers += 1
        return SimOperator(place, self.numbers, self.rules, clock=self.random.choice((-50.0, 0.0, 7.0)))

    def step(self) -> str:
        """Make one random event; return the violation, or an empty string."""
        (name,) = self.random.choices(list(self.events), self.weights)
        self.events[name]()
        return self.world.check()

    # Operators

    def on_advance(self) -> None:
        """Run a step of one operator, mostly the holder of the Lease; the other one may wake at any time."""
        holder = self.operators[self.world.lease[0]]
        operator = holder if self.random.random() < self.loyalty else self.operators[1 - holder.place]
        if not (moves := operator.moves(self.world)):
            return
        usual = self.random.random() < 0.85
        if operator.phase == READY:
            operator.demands = {pod.uid: self.random.choice((0.0, 1.0, 5.0)) for pod in self.world.pods}
        operator.make(self.world, moves[0] if usual else self.random.choice(moves))

    def on_crash(self) -> None:
        """Replace an operator by a new process in the same pod, which holds its Lease at once."""
        place = self.random.randrange(2)
        self.operators[place] = self._operator(place)

    def on_disconnect(self) -> None:
        for operator in self.operators:
            if operator.sessions:
                operator.sessions.pop(self.random.choice(sorted(operator.sessions)))

    # Time

    def on_tick(self) -> None:
        self.world.pass_time(self.random.choice((0.25, 1.0, 1.0, 3.0)))

    def on_landing(self) -> None:
        if self.world.commands:
            self.world.land(self.random.choice(self.world.commands))

    def on_lapse(self) -> None:
        for kind in (self.world.orphans, self.world.commands):
            if kind and self.random.random() < 0.5:
                kind.pop(self.random.randrange(len(kind)))

    # Pods

    def on_birth(self) -> None:
        """Create a pod; rarely one more than maxPods."""
        if sum(pod.exists for pod in self.world.pods) < self.world.parameters.max_pods + (self.random.random() < 0.02):
            self.world.born()

    def on_rollout(self) -> None:
        """Replace all pods, without waiting for an operator."""
        old = [pod for pod in self.world.pods if pod.exists and not pod.terminating]
        for pod in old:
            if sum(each.exists for each in self.world.pods) < self.world.parameters.max_pods:
                self.world.born()
            self._delete(pod)

    def on_delete(self) -> None:
        if pod := self._some(lambda pod: pod.exists and not pod.terminating):
            self._delete(pod)

    def _delete(self, pod: Pod) -> None:
        pod.terminating = True
        if pod.reachable:
            pod.dies_at = self.world.now + GRACE

    def on_end(self) -> None:
        if pod := self._some(lambda pod: pod.terminating and pod.process is not None):
            self.world.end(pod)

    def on_removal(self) -> None:
        """The kubelet removes an ended pod; the operator may or may not see its end."""
        if pod := self._some(lambda pod: pod.exists and pod.terminating and pod.process is None and pod.reachable):
            self.world.remove(pod, 0)
            if self.random.random() < 0.7:
                self.world.ended |= {pod.uid}

    def on_force(self) -> None:
        """Delete a pod by force; pods of a lost node only after the node is known to be lost."""
        if pod := self._some(lambda pod: pod.exists and (pod.reachable or self._known_lost(pod))):
            self.world.remove(pod, GRACE if pod.reachable else max(GRACE, LOST))

    def on_failure(self) -> None:
        """Evict a pod: its object stays."""
        if pod := self._some(lambda pod: pod.exists and pod.reachable):
            self.world.end(pod)
            pod.failed = True

    def on_kill(self) -> None:
        """Kill the sidecar alone, which restarts at once or later."""
        if pod := self._some(lambda pod: pod.exists and pod.process is not None):
            self.world.end(pod)
            if self.random.random() < 0.7:
                self.world.start(pod)

    def on_start(self) -> None:
        if pod := self._some(lambda pod: pod.exists and pod.process is None and not pod.failed and not pod.terminating):
            self.world.start(pod)

    def on_partition(self) -> None:
        if pod := self._some(lambda pod: pod.exists and not pod.failed):
            pod.reachable = not pod.reachable
            if pod.reachable and pod.terminating:
                pod.dies_at = self.world.now + GRACE

    def on_kubelet(self) -> None:
        """The kubelet reports the running container to the API server."""
        if pod := self._some(lambda pod: pod.process is not None and pod.reachable):
            assert pod.process is not None
            pod.told = pod.process.number

    # Connections

    def on_load(self) -> None:
        for pod in self.world.pods:
            if pod.process is not None and self.random.random() < 0.7:
                pod.process.backends = max(pod.process.backends, self.random.randint(0, pod.process.size))
                self.world.set_size(pod.process, pod.process.size)

    def on_drain(self) -> None:
        """Transactions end: draining connections and idle ones are closed."""
        if pod := self._some(lambda pod: pod.process is not None and pod.process.backends > 0):
            process = pod.process
            assert process is not None
            if process.draining:
                process.backends = self.random.randint(min(process.size, process.backends), process.backends)
                process.draining = process.backends > process.size
            elif process.backends <= process.size and not self.world.greedy:
                process.backends = self.random.randint(0, process.backends)

    # People

    def on_hand(self) -> None:
        if pod := self._some(lambda pod: pod.process is not None and pod.reachable):
            self.world.set_by_hand(pod, self.random.randint(1, 10))

    def on_edit(self) -> None:
        """Edit the resource, but not while the grants under the old settings are unknown."""
        ledger = self.world.recorded
        if ledger is None or any(entry.wanted == GUESSED for entry in ledger.pods.values()):
            return
        floor = self.random.choice((1, 1, 2))
        max_pods, headroom = self.random.randint(2, 5), self.random.randint(0, 3)
        least = floor * max_pods + headroom - (self.random.random() < 0.1)
        self.world.edit(
            budget=self.random.randint(least, 24),
            max_pods=max_pods,
            headroom=headroom,
            floor=floor,
            per_pod_max=self.random.choice((4, 8, 32)),
        )

    def on_template(self) -> None:
        self.world.template = self.random.choice((1, 1, 2, 3))

    def on_loss(self) -> None:
        """Lose the ledger, but only while no pod has more than perPod.max."""
        processes = [pod.process for pod in self.world.pods if pod.process is not None]
        if all(max(each.size, each.backends) <= self.world.parameters.per_pod_max for each in processes):
            self.world.recorded = None
            self.world.version += 1

    def _known_lost(self, pod: Pod) -> bool:
        ledger = self.world.recorded
        entry = ledger.pods.get(pod.uid) if ledger else None
        return entry is not None and not entry.reachable

    def _some(self, fits: Callable[[Pod], bool]) -> Pod | None:
        found = [pod for pod in self.world.pods if fits(pod)]
        return self.random.choice(found) if found else None


WEIGHTS = {
    "advance": 60.0,
    "crash": 0.6,
    "disconnect": 0.8,
    "tick": 9.0,
    "landing": 1.5,
    "lapse": 0.5,
    "birth": 2.0,
    "rollout": 0.15,
    "delete": 0.6,
    "end": 1.0,
    "removal": 1.0,
    "force": 0.25,
    "failure": 0.1,
    "kill": 0.7,
    "start": 1.0,
    "partition": 0.5,
    "kubelet": 1.5,
    "load": 3.0,
    "drain": 5.0,
    "hand": 0.1,
    "edit": 0.15,
    "template": 0.05,
    "loss": 0.03,
}


def play(seed: int, steps: int, rules: Rules | None = None) -> tuple[int, str]:
    """The number of events up to the first violation, and that violation."""
    traffic = Traffic(Random(seed), rules or Rules())
    for number in range(1, steps + 1):
        if violation := traffic.step():
            return number, f"seed {seed}, step {number}: {violation}"
    return steps, ""


def settle(traffic: Traffic) -> None:
    """Without further events, one operator must grant all there is, and then change nothing."""
    world = traffic.world
    parameters = replace(SMALL, holder=world.parameters.holder)
    world.edit(
        **{name: getattr(parameters, name) for name in ("budget", "max_pods", "headroom", "floor", "per_pod_max")}
    )
    world.template = 1
    for pod in list(world.pods):
        if pod.terminating or pod.failed or not pod.reachable or pod.born > 1 or not pod.exists:
            world.end(pod)
            if pod.exists:
                world.remove(pod, 0)
        elif pod.process is None:
            world.start(pod)
    while len(world.pods) > parameters.max_pods:
        world.end(world.pods[0])
        world.remove(world.pods[0], 0)
    while len(world.pods) < 2:
        world.born()
    operator = traffic.operators[0]
    for _ in range(60):
        operator.demands = {pod.uid: 5.0 for pod in world.pods}
        while operator.phase == READY and not operator.moves(world):
            world.pass_time()
        operator.make(world, operator.moves(world)[0])
        while operator.phase != READY:
            operator.make(world, operator.moves(world)[0])
        for pod in world.pods:
            if pod.process is not None and pod.process.draining:
                pod.process.backends, pod.process.draining = min(pod.process.backends, pod.process.size), False
        world.pass_time()
        assert not world.check()
    decision = operator.decision
    assert decision is not None
    sizes = {pod.uid: pod.process.size for pod in world.pods if pod.process is not None}
    assert not decision.steps, decision
    assert not decision.unsettled, decision
    assert sizes == decision.targets == {uid: entry.cap for uid, entry in decision.ledger.pods.items()}
    most = parameters.budget - parameters.headroom - parameters.floor * (parameters.max_pods - len(sizes))
    assert sum(sizes.values()) == min(most, parameters.per_pod_max * len(sizes)), (sizes, decision)
