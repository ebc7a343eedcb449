"""One release of the chart in a namespace of its own, as a platform team would see it."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from app.infra.tuning.fitness import UNLIMITED
from tests.e2e.cluster.access import Cluster
from tests.e2e.platform.load.clients import Address
from tests.e2e.waiting import PATIENCE_S, wait_until
from tests.pods.pod import wait_for

CHECKOUT = Path(__file__).resolve().parents[3]
CHART = CHECKOUT / "charts" / "jobfinder"
NAME = "jobfinder"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
VALUES: dict[str, Any] = {
    "postgresql": {"enabled": True, "storage": {"size": "1Gi"}, "resources": {"requests": {"cpu": "50m"}}},
    "memcached": {"replicas": 2, "resources": {"requests": {"cpu": "10m"}}},
    "pgbouncer": {"resources": {"requests": {"cpu": "10m"}}},
    "workers": 2,
    "environment": "development",
    "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
    "service": {"type": "NodePort"},
    "settings": {"ACCESS_TOKEN_SECONDS": 7200},
    "database": {"maxPods": 13},
    "hpa": {"minReplicas": 2, "maxReplicas": 2},
    "tuning": {
        "limits": UNLIMITED,
        "accounts": {"sessions_per_user": 10_000},  # the checker's users log in more often than real ones
        "passwords": {"bcrypt_cost": 4, "queue": 1000},
    },
}
"""Small, without rate limits, and with two pods whatever the load."""
EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Pod:
    """What the API server says of one pod."""

    name: str
    uid: str
    ready: bool
    ending: bool
    containers: Mapping[str, str]
    """Name of a container or sidecar -> its id at the container runtime."""
    restarts: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Pod":
        status = given["status"]
        running = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
        conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
        return cls(
            name=given["metadata"]["name"],
            uid=given["metadata"]["uid"],
            ready=conditions.get("Ready") == "True",
            ending="deletionTimestamp" in given["metadata"],
            containers={each["name"]: each.get("containerID", "").rpartition("/")[2] for each in running},
            restarts=sum(each["restartCount"] for each in running),
        )


class Release:
    """`jobfinder` in a namespace whose name begins with `prefix`; `folder` keeps the values that it was given."""

    def __init__(self, cluster: Cluster, prefix: str, folder: Path) -> None:
        self.cluster, self.namespace, self._folder = cluster, f"{prefix}-{secrets.token_hex(2)}", folder
        self._values: list[Path] = []
        self._left_out: dict[str, Any] = VALUES  # values that an earlier chart does not know; a later one gets them

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, given=given)

    def get(self, *arguments: str) -> Any:
        """Objects, decoded."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def install(self, values: Mapping[str, Any] = EMPTY, chart: Path = CHART) -> None:
        """Returns when everything is ready, as `helm install --wait` says."""
        self._helm("install", chart, values)

    def upgrade(self, values: Mapping[str, Any] = EMPTY, chart: Path = CHART) -> None:
        """Lay `values` over those that were given so far; returns when everything is ready."""
        self._helm("upgrade", chart, values)

    def uninstall(self) -> None:
        self.cluster.helm("uninstall", NAME, "-n", self.namespace, "--wait", f"--timeout={PATIENCE_S:g}s")

    def delete_policy(self) -> None:
        """Delete the operator's admission policy, if any: it is cluster-scoped, so it outlives the namespace."""
        kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
        self.cluster.kubectl("delete", kinds, f"{self.namespace}-{NAME}-operator", "--ignore-not-found")

    def test(self) -> str:
        """Run `helm test` and return its output; raises ClusterError if it fails."""
        return self.cluster.helm("test", NAME, "-n", self.namespace, f"--timeout={PATIENCE_S:g}s")

    def address(self) -> Address:
        """Address of the Service's NodePort."""
        url = urlsplit(self.cluster.node_port_url(NAME, self.namespace))
        assert url.hostname is not None
        return Address(url.hostname, url.port or 80)

    def pods(self, component: str = "app") -> list[Pod]:
        """Pods of a component, terminating ones included."""
        label = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component={component}"
        return [Pod.of(each) for each in self.get("pods", "-l", label)["items"]]

    def wait_until_rolled_out(self) -> None:
        """Wait until the Deployment has only pods of its current template, all ready."""
        self.kubectl("rollout", "status", f"deployment/{NAME}", f"--timeout={PATIENCE_S:g}s")
        self.wait_for_pods(lambda pods: all(each.ready and not each.ending for each in pods), "every pod ready")

    def wait_for_pods(
        self, condition: Callable[[list[Pod]], bool], what: str, component: str = "app", timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until `condition(pods)` holds; the error of a timeout shows the pods."""
        wait_until(lambda: self.pods(component), condition, what, timeout_s)

    def objects(self) -> set[str]:
        """Everything in the namespace that carries the release's label, as `kind/name`."""
        kinds = self.cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
        chosen = ",".join(each for each in kinds if not each.startswith(("events", "pods.metrics", "bindings")))
        found = self.kubectl("get", chosen, "-l", f"app.kubernetes.io/instance={NAME}", "-o", "name")
        return set(found.split())

    def uids(self, component: str = "app") -> set[str]:
        """UIDs of a component's pods; a different set means that pods were replaced."""
        return {each.uid for each in self.pods(component)}

    def health(self) -> str:
        """`ok`, `degraded` or `unavailable`, as one worker sees it."""
        from tests.pods.connections import Connection, Request

        address = self.address()
        connection = Connection("", address.port, host=address.host)
        body = connection.send(Request("GET", "/api/v1/health")).body
        connection.close()
        return str(body.get("status", "")) if isinstance(body, dict) else ""

    def wait_until_healthy(self) -> None:
        """Wait until every pod is ready and health is ok."""
        self.wait_until_rolled_out()
        wait_for(lambda: self.health() == "ok", "health ok")

    def _helm(self, verb: str, chart: Path, values: Mapping[str, Any]) -> None:
        path = self._folder / f"values-{len(self._values)}.json"  # JSON is YAML
        schema = json.loads((chart / "values.schema.json").read_text())
        given_now = {**self._left_out, **values}
        known = _known(given_now, schema, schema["$defs"])
        path.write_text(json.dumps(known))
        self._left_out = {name: each for name, each in given_now.items() if known.get(name) != each}
        self._values.append(path)
        given = [word for each in (self.cluster.values, *self._values) for word in ("-f", str(each))]
        wait = ("--wait", "--wait-for-jobs", f"--timeout={PATIENCE_S:g}s")
        self.cluster.helm(verb, NAME, str(chart), "-n", self.namespace, *given, *wait)


def _known(values: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """The part of `values` that a chart's schema has; the chart of an earlier commit lacks newer ones."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if not isinstance(values, Mapping) or schema.get("additionalProperties") is not False:
        return values
    fields = schema["properties"]
    return {name: _known(each, fields[name], definitions) for name, each in values.items() if name in fields}


@contextmanager
def installed(
    cluster: Cluster, prefix: str, values: Mapping[str, Any] = EMPTY, chart: Path = CHART, before: str = ""
) -> Iterator[Release]:
    """Install a release in a new namespace with the manifests `before`; the namespace is deleted afterwards."""
    with TemporaryDirectory() as folder:
        release = Release(cluster, prefix, Path(folder))
        with cluster.namespace(release.namespace, RESTRICTED):
            if before:
                cluster.apply(before, release.namespace)
            try:
                release.install(values, chart)
                yield release
            finally:
                release.delete_policy()
