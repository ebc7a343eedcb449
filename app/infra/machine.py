"""What the machine or the container says of itself."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def memory_usage_percent() -> float:
    """Memory in use: of the container's limit where it has one (cgroup v2 or v1), else of the machine."""
    for used, limit in (
        ("memory.current", "memory.max"),
        ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes"),
    ):
        share = _share(_CGROUP / used, _CGROUP / limit)
        if share is not None:
            return share
    return _machine_share()


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


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
