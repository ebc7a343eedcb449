"""How many cores this process may use, by its CPU affinity and the quota of its cgroups."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """The number of usable cores, at least 1; a fractional quota is rounded up."""
    affinity = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroups, membership)
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def cpu_quota(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """The smallest quota, in cores, of this process's control groups, version 1 or 2; None when there is none."""
    folders = control_groups("cpu", cgroups, membership)
    quotas = [_quota_v2(folder) if version == 2 else _quota_v1(folder) for version, folder in folders]
    return min((quota for quota in quotas if quota is not None), default=None)


def control_groups(controller: str, cgroups: Path, membership: Path) -> list[tuple[int, Path]]:
    """(version, folder) of this process's cgroups for `controller`, parents included."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    found: list[tuple[int, Path]] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found += [(2, folder) for folder in _with_parents(cgroups, path)]
        elif controller in controllers.split(","):
            for mount in {controllers, controller, "cpu,cpuacct"}:
                found += [(1, folder) for folder in _with_parents(cgroups / mount, path)]
    return found


def _with_parents(root: Path, path: str) -> list[Path]:
    """The cgroup and its parents; in a container only the root may be visible, and it is then the container's own."""
    group = root / path.lstrip("/")
    return [group, *(parent for parent in group.parents if parent == root or root in parent.parents)]


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None
