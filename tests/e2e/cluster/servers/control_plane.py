"""etcd, the API server, the controller manager and the scheduler as processes of this machine."""

from tests.e2e.cluster.config import API_PORT, HOST_ADDRESS, PODS, SERVICES, Folders
from tests.e2e.cluster.servers import processes
from tests.e2e.cluster.servers.network import free_port
from tests.e2e.cluster.shell import run, succeeds, wait_for

# Short enough for the autoscaler to act within a test's timeout.
_AUTOSCALER = {
    "sync-period": "5s",
    "downscale-stabilization": "20s",
    "cpu-initialization-period": "10s",
    "initial-readiness-delay": "5s",
}


def start(folders: Folders) -> None:
    """Start all four; returns when the API server is ready."""
    etcd = _start_etcd(folders)
    processes.start(folders, "kube-apiserver", folders.programs / "kube-apiserver", _api_server(folders, etcd))
    wait_for("readiness of the API server", lambda: _ready(folders), 90)
    for name, arguments in (
        ("kube-controller-manager", _controller_manager(folders)),
        ("kube-scheduler", _scheduler(folders)),
    ):
        processes.start(folders, name, folders.programs / name, arguments, GOGC="50")


def kubectl(folders: Folders, *arguments: str, given: str | None = None) -> str:
    """Return kubectl's output; raises ClusterError with its error message."""
    return run(folders.programs / "kubectl", f"--kubeconfig={folders.kubeconfig}", *arguments, given=given)


def answers(folders: Folders) -> bool:
    """Whether the API server says that it is ready."""
    config = f"--kubeconfig={folders.kubeconfig}"
    return succeeds(folders.programs / "kubectl", config, "get", "--raw", "/readyz", "--request-timeout=5s")


def _ready(folders: Folders) -> bool:
    processes.check_alive(folders)
    return answers(folders)


def _start_etcd(folders: Folders) -> str:
    """Start it without fsync, as its data are temporary, and on loopback, as it does not authenticate clients."""
    url, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    arguments = [
        f"--data-dir={folders.state / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]
    processes.start(folders, "etcd", "etcd", arguments)
    return url


def _api_server(folders: Folders, etcd: str) -> list[str]:
    """Listens on the cluster's own address alone; Pod Security admission is on by default."""
    pki = folders.pki
    return [
        f"--etcd-servers={etcd}",
        f"--bind-address={HOST_ADDRESS}",
        f"--advertise-address={HOST_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICES}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki / 'service-accounts.key'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        "--enable-aggregator-routing=true",
        "--shutdown-delay-duration=0s",
    ]


def _controller_manager(folders: Folders) -> list[str]:
    pki = folders.pki
    config = pki / "controller-manager.conf"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--bind-address={HOST_ADDRESS}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-cidr={PODS}",
        "--allocate-node-cidrs=true",
        "--node-cidr-mask-size=22",
        *(f"--horizontal-pod-autoscaler-{name}={value}" for name, value in _AUTOSCALER.items()),
    ]


def _scheduler(folders: Folders) -> list[str]:
    config = folders.pki / "scheduler.conf"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--bind-address={HOST_ADDRESS}",
        "--leader-elect=false",
    ]
