"""Memory of this process, its container and the machine."""

from pathlib import Path

from app.infra.machine.cores import CGROUPS, MEMBERSHIP, control_groups

_UNLIMITED = 1 << 60


def memory_usage_percent() -> float:
    """Percentage of memory in use: of the container's limit if it has one (cgroup v2 or v1), else of the machine."""
    for used, limit in (
        ("memory.current", "memory.max"),
        ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes"),
    ):
        share = _share(CGROUPS / used, CGROUPS / limit)
        if share is not None:
            return share
    return _machine_share()


def memory_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """The least limit in bytes of this process's control groups, version 1 or 2; None when there is none."""
    names = {2: "memory.max", 1: "memory.limit_in_bytes"}
    limits = [_limit(folder / names[version]) for version, folder in control_groups("memory", cgroups, membership)]
    return min((limit for limit in limits if limit is not None), default=None)


def resident_bytes() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _limit(file: Path) -> int | None:
    try:
        limit = int(file.read_text())
    except (OSError, ValueError):
        return None
    return limit if limit < _UNLIMITED else None


def _share(used: Path, limit: Path) -> float | None:
    try:
        most = int(limit.read_text())
        return None if most >= _UNLIMITED else 100.0 * int(used.read_text()) / most
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _machine_share() -> float:
    lines = (line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    sizes = {name: int(value.split()[0]) for name, value in lines}
    return 100.0 * (1 - sizes["MemAvailable"] / sizes["MemTotal"])
