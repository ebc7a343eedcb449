"""The resource's status: conditions in sentences with their numbers, the budget's sums, the pods, the caches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobfinder_operator.budget import Decision
from jobfinder_operator.observed import Observed
from jobfinder_operator.spec import Spec


@dataclass(frozen=True, slots=True)
class TuningState:
    """`generation` is what the ConfigMap holds now. `refused`: the words for a spec whose file a pod refused and which
    was therefore rolled back to the last good one.
    """

    generation: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """One round. `spec` None with `error` when the resource cannot be read; `decision` None when none could be made
    (`error` says why: no access, no leadership, API unreachable).
    """

    spec: Spec | None
    observed: Observed
    decision: Decision | None
    tuning: TuningState = TuningState()
    error: str = ""


def build(situation: Situation, resource: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The whole new `status` of `resource`, times kept where nothing has changed; `at` is the time in RFC 3339.

    Without `status.ledger`: whoever writes adds `decision.ledger.to_dict()`.
    """
    raise NotImplementedError


def without_times(status: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth a write: two statuses that differ only elsewhere (usage that fluctuates) need none at once."""
    raise NotImplementedError
