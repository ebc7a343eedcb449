"""The chart's budget and which upgrades it refuses, as in `_budget.tpl` and `_rollout.tpl`.

tests/e2e/chart/test_rollout.py compares both with what Helm renders.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Release:
    """Values of a release that affect connections; `max_pods` 0 means as many as a rollout can create."""

    budget: int = 80
    headroom: int = 5
    replicas: int = 6
    surge: int = 1
    max_pods: int = 0
    floor: int = 1
    per_pod: int = 32
    operator: bool = False

    @property
    def least(self) -> int:
        return 2 * self.replicas + self.surge

    @property
    def slots(self) -> int:
        return self.max_pods or self.least

    @property
    def feasible(self) -> bool:
        return self.slots >= self.least and self.floor * self.slots + self.headroom <= self.budget

    @property
    def share(self) -> int:
        return min(self.per_pod, (self.budget - self.headroom) // self.slots)

    @property
    def start(self) -> int:
        """The pool size with which a sidecar starts."""
        return self.floor if self.operator else self.share


@dataclass(frozen=True, slots=True)
class Running:
    """The running release as the chart looks it up; `converged`: the operator has applied the current resource."""

    operator: bool
    pool_size: int
    floor: int
    pods: int
    max_pods: int
    most: int
    budget: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """`first`: what to install first; None: `edit` the resource."""

    first: Release | None
    edit: dict[str, int]


def rollout(running: Running, new: Release) -> Refusal | None:
    """None if the upgrade is allowed."""
    budget, pods = max(new.budget, running.budget), max(new.least, running.pods)
    if running.operator and new.operator:
        if new.floor <= running.floor and new.least <= max(running.pods, running.max_pods):
            return None
        return Refusal(None, {"budget": budget, "max_pods": max(new.slots, running.pods), "floor": new.floor})
    if max(new.start, running.pool_size) * pods + new.headroom <= budget:
        return None
    if running.operator and new.start * pods + new.headroom <= budget:
        return Refusal(None, {"per_pod": new.start})
    first = replace(new, replicas=min(new.replicas, running.most), max_pods=max(new.slots, running.pods))
    return Refusal(first, {})
