"""Injected faults and when they happened, for checkers."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Interval:
    """A time span in ns; of `pod` alone if it is set."""

    start: int
    end: int
    pod: str = ""


@dataclass(slots=True)
class Faults:
    """`silence`: memcached server 0 certainly did not answer; `outages`: PostgreSQL may not have answered;
    `crashes`: workers or pods were being killed; `strangers`: pods with another log than the database's record.
    """

    silence: list[Interval] = field(default_factory=list)
    crashes: list[Interval] = field(default_factory=list)
    outages: list[Interval] = field(default_factory=list)
    strangers: frozenset[str] = frozenset()
