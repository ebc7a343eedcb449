"""Statistics for the table."""

import math
from collections.abc import Sequence
from statistics import fmean, variance


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` 0.99 is the 99th."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def welch_t(first: Sequence[float], second: Sequence[float]) -> float:
    """Welch's t of two samples; |t| below 4.5 shows no difference (Goodwill et al., TVLA, 2011)."""
    spread = variance(first) / len(first) + variance(second) / len(second)
    return (fmean(first) - fmean(second)) / math.sqrt(spread)


def cropped(first: Sequence[float], second: Sequence[float], share: float) -> tuple[list[float], list[float]]:
    """Both without values above their common percentile `share`: rare stalls hide small differences (dudect, 2017)."""
    limit = percentile([*first, *second], share)
    return [value for value in first if value <= limit], [value for value in second if value <= limit]
