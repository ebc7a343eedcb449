"""containerd, the kubelet and kube-proxy: this machine as the cluster's only node."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.cluster.config import (
    DNS_SERVICE,
    DOMAIN,
    HOST_ADDRESS,
    NODE,
    POD_BRIDGE,
    POD_NETWORK,
    PODS,
    Folders,
)
from tests.e2e.cluster.servers import processes
from tests.e2e.cluster.shell import run, succeeds, wait_for

PLUGINS = Path("/usr/lib/cni")
PAUSE_IMAGE = "localhost/pause:e2e"


def start_containerd(folders: Folders) -> None:
    """Start it with its images, containers and network namespaces inside the state folder."""
    _write_containerd_settings(folders)
    _write_network(folders)
    config = folders.state / "containerd.toml"
    processes.start(folders, "containerd", "containerd", ["-c", str(config)])
    wait_for("containerd", lambda: succeeds(*ctr(folders), "version"), 30)


def start(folders: Folders) -> None:
    """Start the kubelet and kube-proxy; containerd and the API server must run."""
    _write(folders.state / "kubelet.json", _kubelet(folders))
    arguments = [
        f"--config={folders.state / 'kubelet.json'}",
        f"--kubeconfig={folders.pki / 'kubelet.conf'}",
        f"--hostname-override={NODE}",
        f"--node-ip={HOST_ADDRESS}",
        f"--root-dir={folders.state / 'kubelet'}",
        f"--cert-dir={folders.pki / 'kubelet'}",
    ]
    processes.start(folders, "kubelet", folders.programs / "kubelet", arguments)
    _write(folders.state / "kube-proxy.json", _proxy(folders))
    proxy = [f"--config={folders.state / 'kube-proxy.json'}"]
    processes.start(folders, "kube-proxy", folders.programs / "kube-proxy", proxy)


def ctr(folders: Folders) -> list[str]:
    """The command that talks to this containerd about the kubelet's images and containers."""
    return ["ctr", "--address", str(folders.containerd_socket), "--namespace", "k8s.io"]


def import_image(folders: Folders, archive: Path) -> None:
    run(*ctr(folders), "images", "import", archive)


def imported(folders: Folders) -> set[str]:
    """Names of the images that the kubelet can start."""
    return set(run(*ctr(folders), "images", "list", "-q").split())


def _write_containerd_settings(folders: Folders) -> None:
    """`restrict_oom_score_adj`: without CAP_SYS_RESOURCE no process may lower its OOM score."""
    (folders.state / "containerd.toml").write_text(f"""\
version = 2
root = "{folders.state}/containerd/root"
state = "{folders.state}/containerd/state"
oom_score = 0
[grpc]
  address = "{folders.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folders.state}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    Root = "{folders.state}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{folders.state}/cni"
""")


def _write_network(folders: Folders) -> None:
    """A bridge without masquerading: pods reach each other, Services and the node, nothing outside."""
    ranges = [[{"subnet": PODS}]]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": str(_leases(folders))}
    bridge = {"type": "bridge", "bridge": POD_BRIDGE, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    network = {"cniVersion": "0.4.0", "name": POD_NETWORK, "plugins": [{**bridge, "ipam": ipam}]}
    _write(folders.state / "cni" / "10-pods.conflist", network)


def _leases(folders: Folders) -> Path:
    return folders.state / "cni-leases"


def _kubelet(folders: Folders) -> dict[str, Any]:
    """Pods resolve names through the cluster's DNS alone, so that no test depends on the machine's."""
    resolver = folders.state / "resolv.conf"
    resolver.write_text(f"nameserver {DNS_SERVICE}\n")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{folders.containerd_socket}",
        "address": HOST_ADDRESS,
        "healthzPort": 0,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{folders.control_group}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(folders.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": DOMAIN,
        "resolvConf": str(resolver),
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "maxPods": 100,
        "podLogsDir": str(folders.state / "pod-logs"),
        "volumePluginDir": str(folders.state / "volume-plugins"),
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
        "protectKernelDefaults": False,
        "registerNode": True,
    }


def _proxy(folders: Folders) -> dict[str, Any]:
    """NodePorts answer on loopback and on the cluster's own address, not on the machine's others."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(folders.pki / "proxy.conf")},
        "bindAddress": HOST_ADDRESS,
        "healthzBindAddress": f"{HOST_ADDRESS}:10256",
        "metricsBindAddress": f"{HOST_ADDRESS}:10249",
        "clusterCIDR": PODS,
        "hostnameOverride": NODE,
        "mode": "iptables",
        "nodePortAddresses": ["127.0.0.0/8", f"{HOST_ADDRESS}/32"],
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))
