"""Runs kubectl and helm against the cluster of one kubeconfig."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.config import ClusterError, Folders
from tests.e2e.cluster.shell import run

_PATIENCE_S = 1800
_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Cluster:
    """`values`: Helm values with the cluster's images; `folders`: may have kubectl and helm, else PATH is searched."""

    kubeconfig: Path
    values: Path
    folders: Folders

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Return kubectl's output; raises ClusterError with its error message."""
        return self._run("kubectl", arguments, given)

    def helm(self, *arguments: str, given: str | None = None) -> str:
        """Return helm's output; raises ClusterError with its error message."""
        return self._run("helm", arguments, given)

    def apply(self, manifest: str, namespace: str = "default") -> str:
        """Apply YAML; objects without a namespace go into `namespace`."""
        return self.kubectl("--namespace", namespace, "apply", "--filename=-", given=manifest)

    @contextmanager
    def namespace(self, name: str, labels: Mapping[str, str] = _NO_LABELS) -> Iterator[None]:
        """Create a namespace, and delete it with all its objects at the end.

        The deletion is not waited for, because Kubernetes is slow to notice that the pods are gone.
        """
        metadata = {"name": name, "labels": dict(labels)}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.kubectl("create", "--filename=-", given=json.dumps(manifest))
        try:
            yield
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

    @contextmanager
    def deployed(self, path: Path, name: str, namespace: str) -> Iterator[None]:
        """Apply the YAML of `path`, with NAMESPACE replaced, in a new namespace, and wait for its Deployment `name`."""
        manifest = path.read_text().replace("NAMESPACE", namespace)
        with self.namespace(namespace):
            try:
                self.apply(manifest, namespace)
                self.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=120s")
                yield
            finally:
                what = ("--filename=-", "--ignore-not-found", "--wait=false")
                self.kubectl("-n", namespace, "delete", *what, given=manifest)

    def wait(self, condition: str, *what: str, namespace: str = "default", timeout_s: int = 120) -> str:
        """Wait for `condition` ("condition=Ready", "delete", "jsonpath=...") of `what` ("pod", "name")."""
        return self.kubectl("--namespace", namespace, "wait", f"--for={condition}", f"--timeout={timeout_s}s", *what)

    def node_port_url(self, service: str, namespace: str = "default", port: str | int | None = None) -> str:
        """URL of the NodePort of `service`: that of its first port, or of `port` (a name or number)."""
        found = json.loads(self.kubectl("--namespace", namespace, "get", "service", service, "--output=json"))
        ports = found["spec"]["ports"]
        chosen = next(each for each in ports if port in (None, each.get("name"), each["port"]))
        if "nodePort" not in chosen:
            raise ClusterError(f"the Service {service} of {namespace} has no NodePort: {json.dumps(found['spec'])}")
        return f"http://{self.address}:{chosen['nodePort']}"

    @property
    def address(self) -> str:
        """Address of NodePorts: loopback for the cluster on this machine, the first node's address for any other."""
        if self.kubeconfig == self.folders.kubeconfig:
            return "127.0.0.1"
        nodes = json.loads(self.kubectl("get", "nodes", "--output=json"))["items"]
        return next(str(each["address"]) for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP")

    def _run(self, name: str, arguments: tuple[str, ...], given: str | None) -> str:
        built = self.folders.programs / name
        program = built if built.exists() else Path(shutil.which(name) or name)
        changes = {"KUBECONFIG": str(self.kubeconfig), "HELM_CACHE_HOME": str(self.folders.cache / "helm")}
        return run(program, *arguments, given=given, changes=changes, timeout_s=_PATIENCE_S)
