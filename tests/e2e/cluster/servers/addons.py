"""What every test expects of a cluster: DNS, metrics, a default StorageClass, Gateway API and monitoring resources."""

import json
import shutil
import tempfile
from pathlib import Path

from tests.e2e.cluster.builds.programs import manifests
from tests.e2e.cluster.config import HERE, Folders
from tests.e2e.cluster.servers import volumes
from tests.e2e.cluster.servers.control_plane import kubectl
from tests.e2e.cluster.shell import say

_METRICS_ARGUMENTS = (
    "--cert-dir=/tmp",
    "--secure-port=10250",
    "--kubelet-preferred-address-types=InternalIP",
    "--kubelet-use-node-status-port",
    "--kubelet-insecure-tls",
    "--metric-resolution=10s",
    "--kubelet-request-timeout=5s",
)


def apply(folders: Folders) -> None:
    """Apply all of them and wait until they work."""
    for path in sorted((HERE / "addons").glob("*.yaml")):
        kubectl(folders, "apply", "--filename", str(path))
    for name in ("prometheus-operator", "traefik"):
        server_side = ("apply", "--server-side", "--force-conflicts", "--filename")
        kubectl(folders, *server_side, str(manifests(folders, name)))
    volumes.apply(folders)
    _apply_metrics_server(folders)
    for name in ("coredns", "metrics-server"):
        kubectl(folders, "--namespace=kube-system", "rollout", "status", f"deployment/{name}", "--timeout=120s")
    kubectl(folders, "wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=60s")
    say("DNS and metrics work")


def _apply_metrics_server(folders: Folders) -> None:
    """Apply its published manifests with the local image and shorter intervals."""
    container = {
        "name": "metrics-server",
        "image": "localhost/addons:e2e",
        "imagePullPolicy": "Never",
        "command": ["/metrics-server"],
        "args": list(_METRICS_ARGUMENTS),
        "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}},
        "readinessProbe": {"initialDelaySeconds": 1, "periodSeconds": 2, "timeoutSeconds": 5},
        "livenessProbe": {"timeoutSeconds": 10, "failureThreshold": 6},  # a machine under load is slow, not broken
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "metrics-server", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(manifests(folders, "metrics-server"), Path(folder, "published"))
        patched = {"resources": ["published"], "patches": [{"path": "deployment.json"}]}
        Path(folder, "deployment.json").write_text(json.dumps(deployment))
        Path(folder, "kustomization.yaml").write_text(json.dumps(patched))
        kubectl(folders, "apply", "--kustomize", folder)
