"""Simulates random upgrades of a Deployment with its controller and autoscaler, which the chart allows or refuses.

A Deployment does not count terminating pods; the only assumption is that never more than twice the maximum plus the
surge exist at once. Both old and new pods may be scaled up, and the parts of an upgrade arrive one by one. Each
PgBouncer holds all the connections that it may. The operator is simplified: it grants what its resource allows.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any, cast

from tests.unit.operator.model import chart_budget
from tests.unit.operator.model.chart_budget import Release, Running


@dataclass
class Pod:
    """`born`: pool size at start; `cap`: the size that it may have now; `operated`: the operator can change it."""

    born: int
    cap: int
    operated: bool
    terminating: bool = False


class Rollouts:
    """`release` is what was installed last; `template`, `most` and `resource` are what has arrived of it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.release = self._drawn()
        while not self.release.feasible:
            self.release = self._drawn()
        self.template, self.most, self.surge = self.release, self.release.replicas, self.release.surge
        self.resource: Release | None = self.release if self.release.operator else None
        self.converged = False
        self.replicas = 1
        self.arriving: list[str] = []
        self.waiting: list[Release] = []
        self.pods: list[Pod] = []
        self.promised = [self.release.budget - self.release.headroom]
        self.refused = 0

    def _drawn(self) -> Release:
        random = self.random
        return Release(
            budget=random.choice((40, 80, 120)),
            headroom=random.choice((2, 5)),
            replicas=random.randint(1, 12),
            surge=random.randint(1, 3),
            max_pods=random.choice((0, 0, 0, 27)),
            floor=random.choice((1, 1, 2, 3)),
            per_pod=random.choice((4, 32)),
            operator=random.random() < 0.4,
        )

    def step(self) -> str:
        """Make one random move; return the violation, or an empty string."""
        moves = (self.scale, self.create, self.create, self.delete, self.end, self.arrive, self.operate, self.upgrade)
        weights = (1.0, 4.0, 4.0, 3.0, 2.0, 2.0, 3.0, 0.5)
        self.random.choices(moves, weights)[0]()
        settled = not self.arriving and (self.resource is None or self.converged)
        if settled and len(self.pods) <= self.most_pods and not self._former():
            holds = self.resource or self.release
            self.promised = [holds.budget - holds.headroom]
        held = sum(pod.cap for pod in self.pods)
        return f"{held} connections of {max(self.promised)} for {self.release}" if held > max(self.promised) else ""

    @property
    def most_pods(self) -> int:
        return 2 * self.most + self.surge

    def _former(self) -> list[Pod]:
        """Pods of another template than the current one."""
        start, operator = self.release.start, self.release.operator
        return [pod for pod in self.pods if pod.born != start or pod.operated != operator or pod.cap > self._largest()]

    def _largest(self) -> int:
        return self.release.per_pod if self.release.operator else self.release.start

    # The controllers

    def scale(self) -> None:
        self.replicas = self.random.randint(1, self.most)

    def create(self) -> None:
        """Create a pod of the current template or, during a rollout, of the previous one."""
        self.replicas = min(self.replicas, self.most)
        living = sum(not pod.terminating for pod in self.pods)
        if living >= self.replicas + self.surge or len(self.pods) >= self.most_pods:
            return
        born, operated = self.template.start, self.template.operator
        if self.pods and self.random.random() < 0.4:
            like = self.random.choice(self.pods)
            born, operated = like.born, like.operated
        self.pods.append(Pod(born, born, operated))

    def delete(self) -> None:
        living = [pod for pod in self.pods if not pod.terminating]
        if living and (len(living) > self.replicas or self.random.random() < 0.2):
            self.random.choice(living).terminating = True

    def end(self) -> None:
        ending = [pod for pod in self.pods if pod.terminating]
        if ending:
            self.pods.remove(self.random.choice(ending))

    # The operator

    def operate(self) -> None:
        """Shrink pods above the resource's limits, then grow one pod within them."""
        spec = self.resource
        if spec is None:
            return
        floor = max([spec.floor, self.template.start, *(pod.born for pod in self.pods)])
        slots, told = max(spec.slots, self.most_pods, len(self.pods)), [pod for pod in self.pods if pod.operated]
        if floor * slots + spec.headroom > spec.budget:
            return
        for pod in told:
            pod.cap = min(pod.cap, max(spec.per_pod, pod.born))
        while (room := self._room(spec, floor, slots)) < 0 and any(pod.cap > pod.born for pod in told):
            largest = max(told, key=lambda pod: pod.cap - pod.born)
            largest.cap -= 1
        self.converged = room >= 0
        if told and room > 0:
            pod = self.random.choice(told)
            pod.cap = max(pod.cap, min(pod.cap + room, spec.per_pod))

    def _room(self, spec: Release, floor: int, slots: int) -> int:
        return spec.budget - spec.headroom - floor * slots - sum(max(0, pod.cap - floor) for pod in self.pods)

    # People

    def upgrade(self) -> None:
        """Retry a refused upgrade once its first step is done, else install a random one. The sizes of pods of a
        previous operator are unknown, so wait until these pods are gone.
        """
        if self.arriving or (self.resource is None and any(pod.operated for pod in self.pods)):
            return
        if self.waiting:
            self.install(self.waiting.pop())
            return
        changes: dict[str, Any] = {
            name: getattr(self._drawn(), name) for name in Release.__slots__ if self.random.random() < 0.3
        }
        self.install(replace(self.release, **changes))

    def install(self, new: Release) -> None:
        """Install or refuse, as `helm upgrade` does."""
        if not new.feasible or new.per_pod < new.floor:
            return
        refusal = chart_budget.rollout(self.running(), new)
        if refusal is None:
            self.release, self.promised = new, [*self.promised, new.budget - new.headroom]
            self.arriving = ["template", "autoscaler", "resource"]
            self.random.shuffle(self.arriving)
            return
        self.refused += 1
        if len(self.waiting) < 3:
            self.waiting.append(new)
        if refusal.first is not None and refusal.first != new:
            self.install(refusal.first)
        elif refusal.edit and self.resource is not None:
            edited = replace(self.resource, **cast(dict[str, Any], refusal.edit))
            if edited.feasible and edited.per_pod >= edited.floor:
                self.resource, self.converged = edited, False
                self.promised.append(edited.budget - edited.headroom)

    def running(self) -> Running:
        """The running release as the template `jobfinder.running` looks it up."""
        sizes, pods = self.pool_sizes(), self.pods_seen()
        if self.resource is None:
            size = max(sizes)
            return Running(False, size, sizes[0], pods, 0, self.most, size * pods + self.release.headroom)
        spec = self.resource
        return Running(
            operator=True,
            pool_size=max(*sizes, spec.per_pod if self.converged else spec.budget),
            floor=max(sizes[0], spec.floor if self.converged else 0),
            pods=pods,
            max_pods=spec.slots if self.converged else 0,
            most=self.most,
            budget=spec.budget,
        )

    def pool_sizes(self) -> list[int]:
        """The size in the template, then those of the pods."""
        return [self.template.start, *(pod.born for pod in self.pods)]

    def pods_seen(self) -> int:
        return max(self.most_pods, len(self.pods))

    def arrive(self) -> None:
        if not self.arriving:
            return
        match self.arriving.pop():
            case "template":
                self.template, self.surge = self.release, self.release.surge
            case "autoscaler":
                self.most = self.release.replicas
            case "resource":
                self.resource, self.converged = (self.release if self.release.operator else None), False


def play(seed: int, steps: int) -> str:
    """The first violation within `steps` steps, or an empty string."""
    rollouts = Rollouts(Random(seed))
    for number in range(1, steps + 1):
        if violation := rollouts.step():
            return f"seed {seed}, step {number}: {violation}"
    return ""
