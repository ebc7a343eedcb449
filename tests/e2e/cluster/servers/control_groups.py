"""The control groups under which the kubelet puts every pod, and the processes in them."""

import contextlib
import errno
import os
import signal
from pathlib import Path

from tests.e2e.cluster.config import ClusterError, Folders
from tests.e2e.cluster.shell import wait_for

_ROOT = Path("/sys/fs/cgroup")


def create(folders: Folders) -> None:
    """Create the group in every hierarchy: Linux has one (version 2) or one for each controller (version 1)."""
    if not any(_hierarchies()):
        raise ClusterError(f"no control groups are mounted at {_ROOT}")
    for hierarchy in _hierarchies():
        group = hierarchy / folders.control_group
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group of version 1, where nothing could run
            if (group / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((hierarchy / name).read_text())


def kill_everything(folders: Folders) -> None:
    """Kill every process of every pod."""
    wait_for("the end of every pod's processes", lambda: _is_empty_after_killing(folders), 20)


def remove(folders: Folders) -> None:
    """Remove the groups, the innermost first."""
    for group in _groups(folders):
        with contextlib.suppress(FileNotFoundError):
            wait_for(f"removal of {group}", lambda group=group: _removed(group), 10)  # type: ignore[misc]


def exist(folders: Folders) -> bool:
    return any(_groups(folders))


def _hierarchies() -> list[Path]:
    """Those of version 1 lie below `_ROOT`, the one of version 2 is `_ROOT` itself."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return sorted({each.resolve() for each in _ROOT.iterdir() if (each / "cgroup.procs").exists()})


def _groups(folders: Folders) -> list[Path]:
    tops = [hierarchy / folders.control_group for hierarchy in _hierarchies()]
    found = [Path(folder) for top in tops for folder, _, _ in os.walk(top)]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _is_empty_after_killing(folders: Folders) -> bool:
    left = {int(pid) for group in _groups(folders) for pid in _processes(group)}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not left


def _processes(group: Path) -> list[str]:
    try:
        return (group / "cgroup.procs").read_text().split()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):  # ENODEV: it was removed between opening and reading
            return []
        raise


def _removed(group: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, OSError):
        group.rmdir()
    return not group.exists()
