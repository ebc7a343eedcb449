"""The resource as a frozen dataclass, and what is wrong with it in words and numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jobfinder_operator.config import Config
from jobfinder_operator.observed import Observed


@dataclass(frozen=True, slots=True)
class Target:
    """Names of objects; empty ones are found by the release's labels."""

    deployment: str = ""
    memcached: str = ""
    hpa: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """`max_pods` None: twice the HPA's maximum plus the Deployment's surge."""

    connection_budget: int
    headroom: int = 5
    max_pods: int | None = None
    floor: int = 1
    per_pod_max: int = 32
    linger_seconds: int = 7
    query_wait_seconds: int = 8
    idle_seconds: int = 300
    acquire_milliseconds: int = 8000


@dataclass(frozen=True, slots=True)
class Spec:
    """`tuning` has what is set of `cache`, `limits`, `passwords`, `compression`, as the resource names it.

    `memcached_megabytes` None leaves the servers as they are.
    """

    mode: Literal["Observe", "Apply"]
    paused: bool
    target: Target
    database: DatabaseSpec
    memcached_megabytes: int | None
    tuning: Mapping[str, Any]

    @property
    def acts(self) -> bool:
        """Whether anything may be touched."""
        return self.mode == "Apply" and not self.paused


class SpecError(Exception):
    """The resource cannot be read; the message says what, why, and the nearest value that would work."""


def read_spec(resource: Mapping[str, Any]) -> Spec:
    """`resource` is the whole object; raises SpecError that names every problem at once."""
    raise NotImplementedError


def budget_config(spec: Spec, observed: Observed, holder: str, command_seconds: float = 5.0) -> Config:
    """What `decide` is given; `max_pods` comes from the workload where the resource does not say."""
    raise NotImplementedError


def problems(spec: Spec, observed: Observed) -> tuple[str, ...]:
    """What one object alone cannot say: whether maxPods covers the autoscaler, and the floor the pods' template."""
    raise NotImplementedError
