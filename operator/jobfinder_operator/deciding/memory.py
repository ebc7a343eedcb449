"""How much memory memcached's items may take in a container."""

from jobfinder_operator.deciding.snapshot import MemcachedSeen

MEGABYTE = 1024 * 1024
MEMORY_SHARE = 0.8  # of the container's limit; the rest is for memcached itself and its connections


def most_megabytes(server: MemcachedSeen) -> int | None:
    """The largest allowed item memory in MB; None: the container has no limit."""
    return int(server.container_limit_bytes * MEMORY_SHARE) // MEGABYTE if server.container_limit_bytes else None


def too_much_memory(wanted_mb: int, server: MemcachedSeen) -> str:
    """Why `wanted_mb` is too much for this server; empty if it fits."""
    most = most_megabytes(server)
    if most is None or wanted_mb <= most:
        return ""
    return (
        f"cache.memcachedMegabytes {wanted_mb} is above 80 % of the container's limit of "
        f"{server.container_limit_bytes // MEGABYTE} MiB; {most} would work"
    )
