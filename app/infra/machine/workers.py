"""How many worker processes there are, and how many can exist at once."""

from app.errors import ConfigError
from app.infra.machine.cores import usable_cores
from app.infra.machine.memory import memory_limit

WORKERS_MOST = 256
WORKER_BYTES = 128 * 2**20
"""Memory reserved for each worker: one with full caches uses about 90 MB, the rest is its share of the master."""


def worker_count(wanted: int) -> int:
    """`wanted`; for 0, one for each usable core, but no more than fit into the memory limit, and at least 1.

    Raises ConfigError for more than WORKERS_MOST.
    """
    if wanted > WORKERS_MOST:
        raise ConfigError(f"WORKERS: {wanted} is more than {WORKERS_MOST}, the most that one service can have")
    if wanted:
        return wanted
    limit = memory_limit()
    fitting = WORKERS_MOST if limit is None else limit // WORKER_BYTES
    return max(1, min(usable_cores(), fitting, WORKERS_MOST))


def slots_of(workers: int) -> int:
    """How many workers can exist at once: on SIGHUP a new generation starts before the old one has ended."""
    return 2 * workers
