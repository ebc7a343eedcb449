"""Checks live settings against their minimums outside development and against the container's memory."""

import math
from dataclasses import dataclass

from msgspec.structs import fields

from app.config import Limits, Tuning

LEAST_BCRYPT_COST = 10
# The chart's refusals count with the same (charts/jobfinder/files/tuning.json, made by `make docs`).
WORKER_KIB = 86_016
"""Memory of a worker without caches. Some 28 MiB of it fill up within days: the positions of the last changes of
100,000 keys (`HISTORY_KEYS`, 0.21 KiB each) and the requests counted for 20,000 (`TRACKED_KEYS`, 0.42 KiB each)."""
ENTRY_KIB = {"user": 3.0, "blacklist": 0.25, "company": 3.0, "job": 10.0, "search": 8.0}
"""Memory for one entry of each cache: a company with some paragraphs of description, a search with some facets."""
FACT_KIB = ENTRY_KIB | {"user": 2.5}
"""Of that, the memory for one fact; the rest of a user's is for a session."""
UNLIMITED = {each.name: 0 for each in fields(Limits) if 0 in [meta.ge for meta in each.type.__metadata__]}
"""The limits that may be switched off, each with the value that does so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service runs. Its workers share `memory_bytes`; None when there is no limit."""

    development: bool
    workers: int
    memory_bytes: int | None

    def unfit(self, tuning: Tuning) -> list[str]:
        """Why `tuning` cannot be used here, each problem with the nearest value that could; empty when it can."""
        problems = [] if self.development else _too_weak(tuning)
        return problems if self.memory_bytes is None else problems + self._too_large(tuning, self.memory_bytes / 1024)

    def _too_large(self, tuning: Tuning, memory: float) -> list[str]:
        capacities = {name: getattr(tuning.cache, name).capacity for name in ENTRY_KIB}
        answers = tuning.cache.answers_bytes / 1024
        each = WORKER_KIB + answers + sum(capacity * ENTRY_KIB[name] for name, capacity in capacities.items())
        if self.workers * each <= memory:
            return []
        rest = each - capacities["user"] * ENTRY_KIB["user"]
        fits = math.floor((memory / self.workers - rest) / ENTRY_KIB["user"])
        nearest = f"; cache.user.capacity {fits} would work" if fits > 0 else ""
        caches = "".join(
            f" + cache.{name}.capacity {capacity} x {ENTRY_KIB[name]:g} KiB" for name, capacity in capacities.items()
        )
        kept = f" + cache.answers_bytes {tuning.cache.answers_bytes}"
        parts = f"{WORKER_KIB // 1024} MiB{kept}{caches}"
        worker = f"{self.workers} workers x ({parts}) = {self.workers * each / 1024:.0f} MiB"
        return [f"{worker} are more than the {memory / 1024:.0f} MiB of memory that there are{nearest}"]


def _too_weak(tuning: Tuning) -> list[str]:
    cost = tuning.passwords.bcrypt_cost
    unlimited = [name for name, off in UNLIMITED.items() if getattr(tuning.limits, name) == off]
    weak = [f"limits.{name} 0 sets no limit; at least 1 is needed outside development" for name in unlimited]
    if cost < LEAST_BCRYPT_COST:
        weak.append(f"passwords.bcrypt_cost {cost} is below {LEAST_BCRYPT_COST}, the least outside development")
    return weak
