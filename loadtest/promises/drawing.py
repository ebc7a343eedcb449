"""Users drawn by Zipf's law."""

import itertools
import math
import random
from collections.abc import Iterable

EXPONENT = 0.99
"""As in YCSB (Cooper et al., Benchmarking Cloud Serving Systems with YCSB, 2010)."""


def zipf(number: int, draws: int, chance: random.Random, exponent: float = EXPONENT) -> list[int]:
    """`draws` of the numbers from 1 to `number`, of which 1 is the most frequent."""
    weights = itertools.accumulate(1 / rank**exponent for rank in range(1, number + 1))
    return chance.choices(range(1, number + 1), cum_weights=list(weights), k=draws)


def share_of_first(kept: int, number: int, exponent: float = EXPONENT) -> float:
    """The share of draws that are among the `kept` most frequent ones: the hit rate of a cache that always has them."""
    return _harmonic(range(1, kept + 1), exponent) / _harmonic(range(1, number + 1), exponent)


def _harmonic(ranks: Iterable[int], exponent: float) -> float:
    return math.fsum(rank**-exponent for rank in ranks)
