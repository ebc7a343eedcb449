"""Whether a series of values has grown: a robust slope, after the time in which caches and pools fill."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Points = Sequence[tuple[float, float]]
"""(seconds, value), in the order of time."""

PLOTTED = 150
FITTED = 300


@dataclass(frozen=True, slots=True)
class Allowance:
    """A series is flat if it grows by at most `share` of its level, or by `least` if that is more."""

    share: float
    least: float

    def of(self, level: float) -> float:
        return max(self.share * level, self.least)


@dataclass(frozen=True, slots=True)
class Trend:
    """`level` is the median after the warm-up, `growth` the slope times the time since then."""

    level: float
    growth: float

    def flat(self, allowance: Allowance) -> bool:
        """A series that falls is flat."""
        return self.growth <= allowance.of(self.level)


def trend(points: Points, warm_up_s: float) -> Trend | None:
    """By the slope of Theil and Sen, which outliers do not move; None with fewer than three points to judge."""
    judged = thinned([(at, value) for at, value in points if at >= warm_up_s], FITTED)
    if len(judged) < 3:
        return None
    return Trend(median(value for _, value in judged), slope(judged) * (judged[-1][0] - judged[0][0]))


def slope(points: Points) -> float:
    """The median of the slopes of all pairs of points (Sen 1968)."""
    pairs = itertools.combinations(points, 2)
    return median((b - a) / (later - earlier) for (earlier, a), (later, b) in pairs if later > earlier)


def thinned(points: Points, most: int = PLOTTED) -> list[tuple[float, float]]:
    """At most so many points: the median of each of equal parts."""
    if len(points) <= most:
        return list(points)
    bounds = [len(points) * number // most for number in range(most + 1)]
    parts = [points[first:last] for first, last in itertools.pairwise(bounds)]
    return [(median(at for at, _ in part), median(value for _, value in part)) for part in parts]
