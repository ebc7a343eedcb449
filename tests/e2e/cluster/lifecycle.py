"""Starts the cluster, reports its status, and removes it with everything that it created."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.cluster.builds.images import load
from tests.e2e.cluster.builds.programs import build_all
from tests.e2e.cluster.config import POD_NETWORK, ClusterError, Folders
from tests.e2e.cluster.servers import (
    addons,
    control_groups,
    control_plane,
    identities,
    network,
    node,
    policies,
    processes,
    traces,
)
from tests.e2e.cluster.shell import run, say, succeeds, wait_for

# Clients of the API server are ended before it, all at once.
_CLIENTS = ("kubelet", "kube-proxy", "kube-router", "kube-scheduler", "kube-controller-manager")
_BELOW = ("containerd", "kube-apiserver", "etcd")
_ELSEWHERE = (
    "/run/containerd/s",
    "/run/containerd",
    "/var/log/containers",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
)
_PLUGIN_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
_SHIM_SOCKETS = "io.containerd.runtime.v2.task/k8s.io/*/address"


def up(folders: Folders) -> None:
    """Start a cluster with everything the tests need; a healthy one is kept and gets the current images."""
    prepare(folders)
    with _alone(folders):
        if is_well(folders):
            say("the cluster is up already")
        else:
            _down(folders)
            try:
                _start(folders)
            except BaseException:
                say(f"failed; logs are in {folders.logs}, `down` removes them")
                raise
        load(folders)
        addons.apply(folders)
    say(f"up: export KUBECONFIG={folders.kubeconfig}")


def prepare(folders: Folders) -> None:
    """Build all programs; raises ClusterError if this machine cannot run a cluster."""
    _check_machine()
    build_all(folders)


def is_well(folders: Folders) -> bool:
    """Whether every server runs and the API server answers."""
    alive = {each.name for each in processes.servers(folders) if each.alive}
    return alive == {*_CLIENTS, *_BELOW} and control_plane.answers(folders)


def status(folders: Folders) -> str:
    """One line for each server and each pod."""
    found = processes.servers(folders)
    lines = [f"{each.name:<24} {'runs' if each.alive else 'has ended'} (process {each.pid})" for each in found]
    if is_well(folders):
        lines += ["", control_plane.kubectl(folders, "get", "nodes,pods", "--all-namespaces", "--output=wide")]
        lines.append(f"KUBECONFIG={folders.kubeconfig}")
    return "\n".join(lines or ["down"])


def down(folders: Folders) -> None:
    """End everything that `up` started, also in a run that crashed, and nothing else.

    Raises ClusterError when something on the machine differs from before `up`.
    """
    with _alone(folders):
        _down(folders)


@contextlib.contextmanager
def _alone(folders: Folders) -> Iterator[None]:
    """Hold a file lock: one `up` or `down` at a time."""
    folders.cache.mkdir(parents=True, exist_ok=True)
    with (folders.cache / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _down(folders: Folders) -> None:
    if not folders.state.exists() and not control_groups.exist(folders):
        return
    say("taking the cluster down")
    started = {each.name: each for each in processes.servers(folders)}
    processes.end([started[name] for name in _CLIENTS if name in started])
    control_groups.kill_everything(folders)
    for name in _BELOW:
        processes.end([started[name]] if name in started else [], grace_s=3 if name == "containerd" else 0)
    processes.kill_all_in(folders.containerd_socket)
    _remove_shim_sockets(folders)
    _unmount(folders.state)
    network.remove(folders)
    policies.remove(folders)
    control_groups.remove(folders)
    _remove_what_lies_elsewhere(folders)
    noted = traces.read(folders)
    shutil.rmtree(folders.state)
    if left := traces.left(folders, noted):
        raise ClusterError("\n".join(["the cluster left behind:", *left]))
    say("down; nothing is left")


def _start(folders: Folders) -> None:
    folders.state.mkdir(parents=True, exist_ok=True)
    folders.state.chmod(0o711)
    for module in ("br_netfilter", "nf_conntrack"):  # their kernel settings exist only when they are loaded
        succeeds("modprobe", module)
    traces.note(folders)
    network.create()
    control_groups.create(folders)
    identities.create(folders)
    say("starting containerd, etcd and the control plane")
    node.start_containerd(folders)
    control_plane.start(folders)
    load(folders, only=("pause",))
    say("starting the node")
    node.start(folders)
    wait_for("readiness of the node", lambda: _node_is_ready(folders), 90)
    policies.start(folders)
    say("the node is ready")


def _node_is_ready(folders: Folders) -> bool:
    processes.check_alive(folders)
    nodes = json.loads(control_plane.kubectl(folders, "get", "nodes", "--output=json"))["items"]
    return any(
        each["type"] == "Ready" and each["status"] == "True" for one in nodes for each in one["status"]["conditions"]
    )


def _check_machine() -> None:
    if os.geteuid():
        raise ClusterError("a cluster on this machine needs root; or set KUBECONFIG to the cluster to use")
    needed = (
        "containerd",
        "ctr",
        "runc",
        "etcd",
        "buildah",
        "debootstrap",
        "iptables",
        "nft",
        "conntrack",
        "ipset",
        "openssl",
        "ip",
    )
    missing = [each for each in needed if not succeeds("sh", "-c", f"command -v {each}")]
    if not node.PLUGINS.exists():
        missing.append(str(node.PLUGINS))
    if missing:
        raise ClusterError(f"missing: {' '.join(missing)}; `app/local/setup.sh e2e` installs them on Debian")


def _remove_shim_sockets(folders: Folders) -> None:
    """Remove the sockets of containerd's shims, which lie outside containerd's folders."""
    for path in (folders.state / "containerd/state").glob(_SHIM_SOCKETS):
        Path(path.read_text().removeprefix("unix://")).unlink(missing_ok=True)


def _unmount(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((each for each in mounts if each.startswith(f"{folder}/")), reverse=True):
        run("umount", "--lazy", mount)


def _remove_what_lies_elsewhere(folders: Folders) -> None:
    """Remove files from folders that Kubernetes and the CNI plugins do not let one choose."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(folders.state):
            link.unlink()
    for result in Path("/var/lib/cni/results").glob(f"{POD_NETWORK}-*-eth0"):
        pod = result.name.removeprefix(f"{POD_NETWORK}-").removesuffix("-eth0")
        result.with_name(f"cni-loopback-{pod}-lo").unlink(missing_ok=True)
        result.unlink()
    if str(_PLUGIN_SOCKET) not in traces.before(folders, "file"):
        _PLUGIN_SOCKET.unlink(missing_ok=True)
    for folder in _ELSEWHERE:
        with contextlib.suppress(OSError):  # not empty: something else uses it
            Path(folder).rmdir()
