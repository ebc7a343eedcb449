"""Starts the cluster's servers, records their identities, and ends exactly those, in this run or a later one."""

import contextlib
import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.local.process import becomes_true
from tests.e2e.cluster.config import ClusterError, Folders, environment

_DESCRIPTORS = 16_384
_WORDS_SHOWN = 1500


@dataclass(frozen=True)
class Server:
    """A started process, identified by pid, start time and boot id, because a pid alone may be reused."""

    name: str
    pid: int
    started: str
    boot: str

    @property
    def alive(self) -> bool:
        """Whether it runs; False if it ended before its start time could be read."""
        return self.started != "" and self.boot == _boot() and _start_time(self.pid) == self.started


def start(folders: Folders, name: str, program: str | Path, arguments: Sequence[str], **changes: str) -> Server:
    """Start `program` in a session of its own with a bounded number of descriptors; its output goes to a log."""
    log = folders.logs / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["prlimit", f"--nofile={_descriptors()}", "--core=0", str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(**changes),
            start_new_session=True,
            cwd="/",
        )
    server = Server(name, process.pid, _start_time(process.pid), _boot())
    _write(folders, [*(each for each in servers(folders) if each.name != name), server])
    return server


def servers(folders: Folders) -> list[Server]:
    """Servers that were started for this state folder, in the order of their start."""
    try:
        return [Server(**each) for each in json.loads(_file(folders).read_text())]
    except FileNotFoundError:
        return []


def check_alive(folders: Folders) -> None:
    """Raise ClusterError with the end of the log of a server that has ended."""
    for server in servers(folders):
        if not server.alive:
            words = (folders.logs / f"{server.name}.log").read_text(errors="replace")[-_WORDS_SHOWN:]
            raise ClusterError(f"{server.name} has ended; end of its log:\n{words}")


def end(some: Sequence[Server], grace_s: float = 5) -> None:
    """Send SIGTERM to all, SIGKILL after `grace_s` to those that still run, and wait until they are gone."""
    for server in some:
        _send(server, signal.SIGTERM)
    becomes_true(lambda: not any(each.alive for each in some), grace_s)
    for server in some:
        _send(server, signal.SIGKILL)
    _wait_until_gone(some)


def kill_all_in(folder: Path) -> None:
    """Kill the processes whose command line names `folder`: containerd's shims outlive containerd."""
    found = [Server(name, pid, _start_time(pid), _boot()) for pid, name in _command_lines() if str(folder) in name]
    for each in found:
        if each.pid != os.getpid() and "-m tests.e2e" not in each.name and "pytest" not in each.name:
            _send(each, signal.SIGKILL)


def _wait_until_gone(some: Sequence[Server]) -> None:
    def gone() -> bool:
        left = [each for each in some if each.alive]
        for each in left:
            with contextlib.suppress(ChildProcessError):  # not a child when an earlier run started it
                os.waitpid(each.pid, os.WNOHANG)
        return not left

    if not becomes_true(gone, 10):
        raise ClusterError(f"still alive after SIGKILL: {[asdict(each) for each in some if each.alive]}")


def _send(server: Server, number: signal.Signals) -> None:
    if server.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, number)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(server.pid, os.WNOHANG)


def _start_time(pid: int) -> str:
    """In clock ticks since boot (proc(5), field 22); a zombie counts as ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _command_lines() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _descriptors() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)


def _file(folders: Folders) -> Path:
    return folders.state / "servers.json"


def _write(folders: Folders, some: Sequence[Server]) -> None:
    unfinished = _file(folders).with_suffix(".new")
    unfinished.write_text(json.dumps([asdict(each) for each in some], indent=1))
    unfinished.replace(_file(folders))
