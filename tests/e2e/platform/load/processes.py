"""Finds and signals processes of the tests' pods, if this machine is the cluster's node."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.e2e.platform.release import Pod

PROC = Path("/proc")


def processes(pod: Pod, container: str) -> list[int]:
    """Pids on this machine of all processes of the container; skips the test if its node is another machine."""
    identity = pod.containers.get(container)
    assert identity, f"{pod} has no container {container}"
    found = [int(each.name) for each in PROC.iterdir() if each.name.isdigit() and identity in _groups(each)]
    if not found:
        pytest.skip("the processes of the cluster's node cannot be seen from this machine")
    return found


def first_process(pod: Pod, container: str) -> int:
    """The container's process 1."""
    return next(each for each in processes(pod, container) if _told(each, "NSpid").endswith("\t1"))


def workers(pod: Pod) -> list[int]:
    """gunicorn's workers: children of the first process of the container of the service."""
    first = str(first_process(pod, "app"))
    return [each for each in processes(pod, "app") if _told(each, "PPid") == first]


def kill(pid: int) -> None:
    """Send SIGKILL, as the kernel's OOM killer does."""
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    """Send SIGSTOP: the process hangs and its connections stay open."""
    os.kill(pid, signal.SIGSTOP)


def _groups(process: Path) -> str:
    try:
        return (process / "cgroup").read_text()
    except (OSError, ValueError):
        return ""


def _told(pid: int, name: str) -> str:
    """One field of /proc/<pid>/status; empty if the process has ended."""
    try:
        found = re.search(rf"^{name}:\s+(.*)$", (PROC / str(pid) / "status").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""
