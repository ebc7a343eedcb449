"""kube-router enforces the NetworkPolicies; the bridge plugin of the pods' network knows none."""

from tests.e2e.cluster.config import HERE, NODE, SERVICES, Folders
from tests.e2e.cluster.servers import processes, traces
from tests.e2e.cluster.servers.control_plane import kubectl
from tests.e2e.cluster.shell import run

_SETS = ("KUBE-SRC-", "KUBE-DST-")


def start(folders: Folders) -> None:
    """Start its firewall alone; routes and Services are others' work. The API server and the node are there."""
    kubectl(folders, "apply", "--filename", str(HERE / "policies.yaml"))
    arguments = [
        f"--kubeconfig={folders.pki / 'kube-router.conf'}",
        f"--hostname-override={NODE}",
        f"--service-cluster-ip-range={SERVICES}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--enable-cni=false",
        "--health-port=0",
    ]
    processes.start(folders, "kube-router", folders.programs / "kube-router", arguments)


def remove(folders: Folders) -> None:
    """Remove its sets of addresses; the rules that named them and it itself have gone before."""
    before = traces.before(folders, "set of addresses")
    for name in traces.address_sets():
        if name.startswith(_SETS) and name not in before:
            run("ipset", "destroy", name)
