"""Whether live settings may hold here: floors outside development, and what the memory of the container allows."""

import math
from dataclasses import dataclass

from msgspec.structs import fields

from app.config import Limits, Tuning

LEAST_BCRYPT_COST = 10
# The chart's refusals count with the same (charts/jobfinder/files/tuning.json, made by `make docs`).
WORKER_KIB, USER_KIB, BLACKLISTED_KIB = 65_536, 3.0, 0.25
UNLIMITED = {each.name: 0 for each in fields(Limits) if 0 in [meta.ge for meta in each.type.__metadata__]}
"""The limits that may be switched off, each with the value that does so."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service runs: its workers share `memory_bytes`; None where there is no limit to compare with."""

    development: bool
    workers: int
    memory_bytes: int | None

    def unfit(self, tuning: Tuning) -> list[str]:
        """What cannot hold here, each with the nearest value that could."""
        problems = [] if self.development else _too_weak(tuning)
        return problems if self.memory_bytes is None else problems + self._too_large(tuning, self.memory_bytes / 1024)

    def _too_large(self, tuning: Tuning, memory: float) -> list[str]:
        users, blacklisted = tuning.cache.user.capacity, tuning.cache.blacklist.capacity
        rest = WORKER_KIB + blacklisted * BLACKLISTED_KIB
        need = self.workers * (rest + users * USER_KIB)
        if need <= memory:
            return []
        fits = math.floor((memory / self.workers - rest) / USER_KIB)
        nearest = f"; cache.user.capacity {fits} would work" if fits > 0 else ""
        caches = f"cache.user.capacity {users} x {USER_KIB:g} KiB"
        caches += f" + cache.blacklist.capacity {blacklisted} x {BLACKLISTED_KIB:g} KiB"
        worker = f"{self.workers} workers x ({WORKER_KIB // 1024} MiB + {caches}) = {need / 1024:.0f} MiB"
        return [f"{worker} are more than the {memory / 1024:.0f} MiB of memory that there are{nearest}"]


def _too_weak(tuning: Tuning) -> list[str]:
    cost = tuning.passwords.bcrypt_cost
    unlimited = [name for name, off in UNLIMITED.items() if getattr(tuning.limits, name) == off]
    weak = [f"limits.{name} 0 sets no limit; at least 1 is needed outside development" for name in unlimited]
    if cost < LEAST_BCRYPT_COST:
        weak.append(f"passwords.bcrypt_cost {cost} is below {LEAST_BCRYPT_COST}, the least outside development")
    return weak
