"""Who gets how much of what is above the floors: by demand where there is any, equal where there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobfinder_operator.observed import PodSeen


@dataclass(frozen=True, slots=True)
class Demand:
    """Smoothed number of connections that a pod could have used, and the sums that it was last computed from."""

    level: float
    at: float
    session: str
    busy_seconds: float
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Demands:
    """Kept by the operator's process from round to round; losing it costs nothing but a moment of equal shares."""

    pods: Mapping[str, Demand] = field(default_factory=dict)

    @property
    def levels(self) -> dict[str, float]:
        """For `Observed.demands`."""
        return {uid: demand.level for uid, demand in self.pods.items()}


def measure(before: Demands, pods: Sequence[PodSeen]) -> Demands:
    """Little's law: what the sums of SHOW STATS grew by, over the time between two readings, is a mean number."""
    raise NotImplementedError
