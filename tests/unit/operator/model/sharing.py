"""Several resources for the same Deployments and the same PostgreSQL, created and deleted at random.

Each has its own operator loop with the real `decide`; the real `claims` decides which resource owns the target.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, cast

from jobfinder_operator.deciding import claims
from jobfinder_operator.deciding.claims import Claim, TargetTaken
from jobfinder_operator.deciding.ledger import Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Snapshot
from tests.unit.operator.model.sim_operator import DECIDING, READY, RECORDING, WRITING, SimOperator
from tests.unit.operator.model.world import COMMAND, GRACE, LINGER, LOST, Pod, Promise, World

DEPLOYMENTS, PODS_EACH = ("one", "two"), 3
SHARED = Parameters(
    budget=24,
    max_pods=PODS_EACH,
    headroom=2,
    per_pod_max=8,
    linger_seconds=LINGER,
    lost_seconds=LOST,
    command_seconds=COMMAND,
)


@dataclass
class Resource:
    """The world as the loop of this resource sees it. `diligence`: how often the loop runs, relative to other loops."""

    world: World
    homes: dict[str, str]
    parameters: Parameters
    deployment: str
    age: tuple[str, str]
    recorded: Ledger | None = None
    version: int = 0
    exists: bool = True
    lease: tuple[int, float] = (0, 0.0)
    elsewhere: dict[str, int] = field(default_factory=dict)
    diligence: float = 1.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)

    @property
    def name(self) -> str:
        return f"{self.age[0]}-{self.age[1]}"

    @property
    def claim(self) -> Claim:
        things = frozenset({f"Deployment {self.deployment}", "PostgreSQL"})
        return Claim(self.name, self.age, things, self.recorded, self.parameters.per_pod_max)

    def observe(self) -> Snapshot:
        every = self.world.observe()
        own = tuple(pod for pod in every.pods if self.homes[pod.uid] == self.deployment)
        others = tuple(pod for pod in every.pods if pod not in own)
        floors = PODS_EACH * self.world.template
        return replace(every, pods=own, neighbours=others, neighbour_floors=floors, recorded=self.elsewhere)

    def record(self, ledger: Ledger) -> None:
        self.recorded, self.version = Ledger.from_dict(ledger.to_dict()), self.version + 1

    def recorded_by(self, *_: object) -> None:
        """No effect: resources are not edited here, so the promises stay."""


@dataclass
class Sharing:
    """Resources are created and deleted for the pods of two Deployments."""

    random: Random

    def __post_init__(self) -> None:
        self.world = World(SHARED, greedy=True)
        self.world.promises = (Promise(SHARED.budget - SHARED.headroom, 1, PODS_EACH * len(DEPLOYMENTS)),)
        self.homes: dict[str, str] = {}
        self.numbers = 0
        self.loops: list[tuple[Resource, SimOperator]] = []
        self.alike = self.random.random() < 0.5
        for _ in range(4):
            self.on_birth()
        for _ in range(2):
            self.on_creation()
        self.events: dict[str, Callable[[], None]] = {name: getattr(self, f"on_{name}") for name in WEIGHTS}
        favour = [1.0 if name in ("advance", "tick") else self.random.choice((0.3, 1.0, 3.0)) for name in WEIGHTS]
        self.weights = [weight * each for weight, each in zip(WEIGHTS.values(), favour, strict=True)]

    def step(self) -> str:
        (name,) = self.random.choices(list(self.events), self.weights)
        self.events[name]()
        return self.world.check()

    # Operators

    def on_advance(self) -> None:
        (loop,) = self.random.choices(self.loops, [each.diligence for each, _ in self.loops])
        resource, operator = loop
        if operator.phase == READY and not resource.exists:
            self.loops.remove((resource, operator))
            return
        if operator.phase in (RECORDING, WRITING) and not resource.exists:
            operator.phase = READY  # there is nothing that could be written
            return
        if operator.phase == DECIDING and self._is_taken(resource, operator):
            return
        moves = operator.moves(cast(World, resource))
        if not moves:
            return
        if operator.phase == READY:
            operator.demands = {uid: self.random.choice((0.0, 1.0, 5.0)) for uid in self.homes}
        operator.make(cast(World, resource), moves[0] if self.random.random() < 0.9 else self.random.choice(moves))

    def _is_taken(self, resource: Resource, operator: SimOperator) -> bool:
        others = [other.claim for other, _ in self.loops if other.exists and other is not resource]
        try:
            claims.check(resource.claim, others)
        except TargetTaken as taken:
            operator.phase = READY
            if resource.exists and taken.ledger != resource.recorded:
                resource.record(taken.ledger)
            return True
        resource.elsewhere = claims.recorded_elsewhere(others)
        if operator.observed is not None:
            operator.observed = replace(operator.observed, recorded=resource.elsewhere)
        return False

    # Resources

    def on_creation(self) -> None:
        """Resources of the same second are ordered by random uids."""
        if len(self.loops) >= 3:
            return
        age = (f"{int(self.world.now):06}", f"{self.random.randrange(10**6):06}")
        parameters = replace(SHARED, per_pod_max=self.random.choice((4, 8, 16)))
        deployment = DEPLOYMENTS[0] if self.alike else self.random.choice(DEPLOYMENTS)
        made = Resource(
            self.world, self.homes, parameters, deployment, age, diligence=self.random.choice((0.1, 0.5, 2.0))
        )
        self.numbers += 1
        self.loops.append((made, SimOperator(0, self.numbers)))

    def on_deletion(self) -> None:
        """A loop in the middle of a round may finish it. If no other resource has a copy of the ledger, the pods
        go back to their floors.
        """
        living = [resource for resource, _ in self.loops if resource.exists]
        if not living:
            return
        gone = self.random.choice(living)
        gone.exists = False
        if not any(each.recorded for each in living if each is not gone):
            self.loops = [(each, operator) for each, operator in self.loops if each is not gone]
            self._farewell()

    def _farewell(self) -> None:
        self.world.commands.clear()
        for pod in self.world.pods:
            if pod.process is not None:
                pod.process.size = pod.process.backends = pod.born

    # Time and pods

    def on_tick(self) -> None:
        self.world.pass_time(self.random.choice((0.25, 1.0, 1.0, 3.0)))

    def on_landing(self) -> None:
        if self.world.commands:
            self.world.land(self.random.choice(self.world.commands))

    def on_birth(self) -> None:
        home = self.random.choice(DEPLOYMENTS)
        if sum(self.homes[pod.uid] == home for pod in self.world.pods if pod.exists) < PODS_EACH:
            pod = self.world.born()
            self.homes[pod.uid] = home

    def on_delete(self) -> None:
        if pod := self._some(lambda pod: pod.exists and not pod.terminating):
            pod.terminating = True
            pod.dies_at = self.world.now + GRACE

    def on_removal(self) -> None:
        if pod := self._some(lambda pod: pod.exists and pod.terminating):
            self.world.end(pod)
            self.world.remove(pod, 0)

    def on_force(self) -> None:
        if pod := self._some(lambda pod: pod.exists):
            self.world.remove(pod, GRACE)

    def on_kill(self) -> None:
        if pod := self._some(lambda pod: pod.exists and pod.process is not None):
            self.world.end(pod)
            self.world.start(pod)

    def on_drain(self) -> None:
        if pod := self._some(lambda pod: pod.process is not None and pod.process.draining):
            assert pod.process is not None
            pod.process.backends, pod.process.draining = min(pod.process.backends, pod.process.size), False

    def _some(self, fits: Callable[[Pod], bool]) -> Pod | None:
        found = [pod for pod in self.world.pods if fits(pod)]
        return self.random.choice(found) if found else None


WEIGHTS = {
    "advance": 60.0,
    "tick": 7.0,
    "landing": 1.0,
    "creation": 1.2,
    "deletion": 0.5,
    "birth": 2.0,
    "delete": 0.7,
    "removal": 0.7,
    "force": 0.2,
    "kill": 0.4,
    "drain": 5.0,
}


def play(seed: int, steps: int) -> str:
    """The first violation within `steps` steps, or an empty string."""
    sharing = Sharing(Random(seed))
    for number in range(1, steps + 1):
        if sharing.loops and (violation := sharing.step()):
            return f"seed {seed}, step {number}: {violation}"
        if not sharing.loops:
            sharing.on_creation()
    return ""
