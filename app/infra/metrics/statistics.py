"""Counts and distributions of requests, summed over the workers of a pod."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

# Upper bounds in seconds, five to a decade (preferred numbers, ISO 3); a percentile is off by 60 % at most.
BUCKETS: tuple[float, ...] = (
    0.000_05,
    0.000_1, 0.000_16, 0.000_25, 0.000_4, 0.000_63,
    0.001, 0.001_6, 0.002_5, 0.004, 0.006_3,
    0.01, 0.016, 0.025, 0.04, 0.063,
    0.1, 0.16, 0.25, 0.4, 0.63,
    1.0, 1.6, 2.5, 4.0, 6.3,
    10.0,
)  # fmt: skip


@dataclass(frozen=True)
class RouteStatistics:
    """`statuses` are the counts of 1xx to 5xx; `buckets` those of each bound in `BUCKETS`, plus one above the last."""

    method: str
    template: str
    statuses: Sequence[int]
    seconds: float
    buckets: Sequence[int]

    @cached_property
    def count(self) -> int:
        """All requests."""
        return sum(self.statuses)

    @property
    def errors(self) -> int:
        """Responses with status 500 and above."""
        return self.statuses[4]

    @property
    def client_errors(self) -> int:
        """Responses with status 400 to 499."""
        return self.statuses[3]

    @property
    def average_seconds(self) -> float:
        """Average duration; 0 without requests."""
        return self.seconds / self.count if self.count else 0.0

    def percentile(self, share: float) -> float:
        """Seconds within which `share` (0 to 1) of the requests were answered, interpolated within a bucket."""
        wanted = share * self.count
        below, lower = 0, 0.0
        for number, upper in zip(self.buckets, BUCKETS, strict=False):
            if number and below + number >= wanted:
                return lower + (upper - lower) * (wanted - below) / number
            below, lower = below + number, upper
        return BUCKETS[-1] if self.count else 0.0

    def cumulative_buckets(self) -> Iterable[tuple[float, int]]:
        """(upper bound in seconds, requests up to it); the last bound is infinite."""
        return zip((*BUCKETS, float("inf")), accumulate(self.buckets), strict=True)


@dataclass(frozen=True)
class Snapshot:
    """`gauges` maps a name to the value of each living worker's slot.

    `searches` have their kind as the template, `operations` of GraphQL their name.
    """

    routes: Sequence[RouteStatistics]
    counters: Mapping[str, int]
    gauges: Mapping[str, Mapping[int, float]]
    uptime_seconds: float
    searches: Sequence[RouteStatistics] = ()
    operations: Sequence[RouteStatistics] = ()

    @property
    def total(self) -> RouteStatistics:
        """All routes together."""
        statuses = [sum(column) for column in zip(*(route.statuses for route in self.routes), strict=True)]
        buckets = [sum(column) for column in zip(*(route.buckets for route in self.routes), strict=True)]
        return RouteStatistics("", "", statuses, sum(route.seconds for route in self.routes), buckets)
