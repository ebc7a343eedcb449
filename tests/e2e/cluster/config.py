"""Versions, names, addresses and folders of the test cluster; the only place that reads the environment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
GO = HERE / "go"

KUBERNETES = "1.34.4"
NODE = "node"
DOMAIN = "cluster.local"

# One private /16 for everything: `up` refuses a machine that has a route into it.
NETWORK = "10.253.0.0/16"
HOST_ADDRESS = "10.253.0.1"  # of this cluster alone, so its ports are free
API_PORT = 6443
SERVICES = "10.253.16.0/20"
KUBERNETES_SERVICE = "10.253.16.1"
DNS_SERVICE = "10.253.16.10"
PODS = "10.253.32.0/20"

# Names that nothing else on this machine uses; `down` removes what has these names and nothing else.
HOST_LINK = "jobfinder-host"
POD_BRIDGE = "jobfinder-pods"
POD_NETWORK = "jobfinder-e2e"


class ClusterError(Exception):
    """The cluster could not be started, used or changed; the message is for the user."""


@dataclass(frozen=True)
class Folders:
    """`cache` is keyed by content and outlives clusters; `state` belongs to one cluster and is deleted with it."""

    cache: Path
    state: Path

    @property
    def programs(self) -> Path:
        """Links to the built Go programs under their own names."""
        return self.cache / "bin"

    @property
    def images(self) -> Path:
        return self.cache / "images"

    @property
    def control_group(self) -> str:
        """Name of the control group that contains the processes of every pod."""
        return self.state.name

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def values(self) -> Path:
        """Helm values that point the chart at the stand-in images."""
        return HERE / "values.yaml"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "containerd.sock"


def folders() -> Folders:
    """This user's folders: `$XDG_CACHE_HOME` or ~/.cache holds the cache, `$JOBFINDER_E2E_STATE` the state."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder-e2e"
    state = Path(os.environ.get("JOBFINDER_E2E_STATE") or "/var/tmp/jobfinder-e2e")  # noqa: S108 survives a full /tmp
    return Folders(cache.absolute(), state.absolute())


def kubeconfig_of_the_user() -> Path | None:
    """The path in `$KUBECONFIG`, or None; if it is set, no cluster is started on this machine."""
    return Path(named).absolute() if (named := os.environ.get("KUBECONFIG")) else None


def kept() -> bool:
    """Whether `E2E_KEEP=1` asks to leave the cluster running after the tests."""
    return os.environ.get("E2E_KEEP", "") not in ("", "0")


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with `changes`, for a program that is started."""
    sbin = "/usr/local/sbin:/usr/sbin:/sbin"  # not on every user's path; iptables, runc and debootstrap live there
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{sbin}", **changes}


def certificate_authorities() -> Path:
    """The bundle that this machine's programs trust."""
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Path(named or "/etc/ssl/certs/ca-certificates.crt")


def go_version_needed() -> tuple[int, ...]:
    """The newest `go` line of the modules."""
    lines = [re.search(r"^go ([\d.]+)$", path.read_text(), re.MULTILINE) for path in GO.glob("*/go.mod")]
    return max(tuple(map(int, line[1].split("."))) for line in lines if line)
