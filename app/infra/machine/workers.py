"""How many worker processes there are, and how many can exist at once."""

from app.errors import ConfigError
from app.infra.machine.cores import usable_cores
from app.infra.machine.memory import memory_limit

WORKERS_MOST = 256
WORKER_BYTES = 128 * 2**20
"""What one is counted for: a full one has about 90 MB, and the master has its part."""


def worker_count(wanted: int) -> int:
    """`wanted`, or for 0 one for each core that the container may use, as far as its memory goes; at least 1.

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
    """Workers that can exist: on SIGHUP a whole generation starts before the last one ends."""
    return 2 * workers
