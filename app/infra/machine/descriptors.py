"""How many files and sockets this process may open."""

import resource

DESCRIPTORS_MOST = 1_048_576
RESERVED = 256


def descriptor_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS_MOST if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return min(limit, DESCRIPTORS_MOST)


def most_clients(descriptors: int) -> int:
    """Connections of clients that a process may have; the other descriptors are for everything else."""
    return max(descriptors - RESERVED, descriptors // 2)
