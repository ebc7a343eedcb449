"""kube-router enforces NetworkPolicies, which the bridge CNI plugin of the pods' network does not."""

from tests.e2e.cluster.config import HERE, NODE, SERVICES, Folders
from tests.e2e.cluster.servers import processes, traces
from tests.e2e.cluster.servers.control_plane import kubectl
from tests.e2e.cluster.shell import run

_SETS = ("KUBE-SRC-", "KUBE-DST-")


def start(folders: Folders) -> None:
    """Start only its firewall, without its routing and Service proxy. The API server and the node must run."""
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
    """Remove its ipsets; kube-router and the rules that refer to them must be gone."""
    before = traces.before(folders, "set of addresses")
    for name in traces.address_sets():
        if name.startswith(_SETS) and name not in before:
            run("ipset", "destroy", name)
