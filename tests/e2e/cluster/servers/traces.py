"""Records the machine's state before a cluster starts, restores settings, and finds what the cluster left behind."""

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from tests.e2e.cluster.config import Folders
from tests.e2e.cluster.shell import run

Found = dict[str, Any]

# The kubelet, kube-proxy and CNI plugins change some of them; writing the first one changes others.
_SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/*",
    "net/ipv4/conf/default/*",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/*",
    "net/netfilter/nf_conntrack_tcp_*",
    "net/netfilter/nf_conntrack_max",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_max*",
)
_ELSEWHERE = (
    "/run/containerd",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)


def note(folders: Folders) -> None:
    """Record the machine's state, unless there is a record: that one is from before the cluster."""
    if not _file(folders).exists():
        _file(folders).write_text(json.dumps({"settings": _settings(), "found": _look(folders)}, indent=1))


def restore_settings(folders: Folders) -> None:
    """Restore the recorded kernel settings."""
    noted = _noted(folders)["settings"]
    now = _settings()
    for name, value in noted.items():
        if name in now and now[name] != value:
            with contextlib.suppress(OSError):
                Path("/proc/sys", name).write_text(value)


def before(folders: Folders, kind: str) -> set[str]:
    """Recorded items of a `kind` ("tables", "set of addresses", "file"; as `left` names them)."""
    return set(_noted(folders)["found"].get(kind, []))


def address_sets() -> list[str]:
    """Names of the packet filter's ipsets."""
    return run("ipset", "list", "-name").split()


def left(folders: Folders, noted: dict[str, Found]) -> list[str]:
    """A readable line for each item that was not there before and each setting that differs."""
    now = _look(folders)
    lines = [
        f"{kind}: {each}" for kind, found in now.items() for each in found if each not in noted["found"].get(kind, [])
    ]
    settings = _settings()
    changed = {name: value for name, value in noted["settings"].items() if settings.get(name, value) != value}
    return lines + [f"setting: {name} is {settings[name]}, was {value}" for name, value in changed.items()]


def read(folders: Folders) -> dict[str, Found]:
    """Return the record, which is needed after the state folder is deleted."""
    return _noted(folders)


def _look(folders: Folders) -> Found:
    links = json.loads(run("ip", "-json", "link"))
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    saved = {family: run(f"{family}-save").splitlines() for family in ("iptables", "ip6tables")}
    return {
        "link": [each["ifname"] for each in links],
        "mount": sorted(set(mounts)),
        "tables": [f"{family} {line[1:]}" for family, lines in saved.items() for line in lines if line.startswith("*")],
        "rule": [f"{family} {each}" for family, lines in saved.items() for each in _rules(lines)],
        "set of addresses": address_sets(),
        "process": _processes_of(folders),
        "control group": sorted(map(str, Path("/sys/fs/cgroup").glob(f"**/{folders.control_group}"))),
        "file": sorted(str(path) for folder in _ELSEWHERE for path in _files(Path(folder))),
    }


def _rules(lines: list[str]) -> list[str]:
    """Rules and user-defined chains, without counters."""
    own_chain = re.compile(r":\S+ - ")
    return [line for line in lines if line.startswith("-A")] + [
        line.split()[0] for line in lines if own_chain.match(line)
    ]


def _processes_of(folders: Folders) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"{folders.state}/" in line and int(path.parent.name) != os.getpid():
                found.append(f"{path.parent.name} {line[:200]}")
    return found


def _files(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return [folder, *(each for depth in ("*", "*/*") for each in folder.glob(depth))]


def _settings() -> dict[str, str]:
    found = {}
    for pattern in _SETTINGS:
        for path in sorted(Path("/proc/sys").glob(pattern)):
            with contextlib.suppress(OSError):  # some are write-only
                found[str(path.relative_to("/proc/sys"))] = path.read_text().strip()
    return found


def _noted(folders: Folders) -> dict[str, Found]:
    try:
        return dict(json.loads(_file(folders).read_text()))
    except FileNotFoundError:
        return {"settings": {}, "found": {"tables": []}}


def _file(folders: Folders) -> Path:
    return folders.state / "before.json"
