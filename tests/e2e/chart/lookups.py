"""A fake API server that serves given objects to Helm's `lookup`."""

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.chart.rendering import CHART, NAMESPACE, RELEASE, Manifest, Outcome, Values, helm

KINDS = {
    "v1": {"Secret": "secrets", "Pod": "pods"},
    "apps/v1": {"Deployment": "deployments"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "jobfinder.dev/v1alpha1": {"JobFinderConfig": "jobfinderconfigs"},
}
KNOWN = ("--kube-version", "1.34", "--api-versions", "jobfinder.dev/v1alpha1")


def answer(path: str, objects: Sequence[Manifest]) -> Any:
    """The JSON that an API server sends for `path`; None for a 404."""
    parts = path.strip("/").split("/")
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.4"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [each.split("/") for each in KINDS if "/" in each]
        named = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in groups]
        return {
            "kind": "APIGroupList",
            "groups": [
                {"name": group, "versions": [each], "preferredVersion": each}
                for (group, _), each in zip(groups, named, strict=True)
            ],
        }
    first = 1 if parts[0] == "api" else 2
    version, rest = "/".join(parts[1 : first + 1]), parts[first + 1 :]
    return _of_version(version, rest, objects) if version in KINDS else None


def _of_version(version: str, rest: Sequence[str], objects: Sequence[Manifest]) -> Any:
    if not rest:
        known = [
            {"name": plural, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
            for kind, plural in KINDS[version].items()
        ]
        return {"kind": "APIResourceList", "groupVersion": version, "resources": known}
    kinds = {plural: kind for kind, plural in KINDS[version].items()}
    found = [each for each in objects if (each["apiVersion"], each["kind"]) == (version, kinds.get(rest[2]))]
    if len(rest) == 3:
        return {"apiVersion": version, "kind": f"{kinds[rest[2]]}List", "metadata": {}, "items": found}
    return next((each for each in found if each["metadata"]["name"] == rest[3]), None)


@contextmanager
def api_server(objects: Sequence[Manifest], folder: Path) -> Iterator[Path]:
    """Serve `objects` while the block runs; yields the path of a kubeconfig for the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answer(self.path.partition("?")[0], objects)
            body = json.dumps(
                found or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            ).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context]}
    path.write_text(yaml.safe_dump({**config, "users": [{"name": "u", "user": {}}], "current-context": "c"}))
    try:
        yield path
    finally:
        server.shutdown()
        server.server_close()


def upgrade(values: Values, objects: Sequence[Manifest], folder: Path) -> Outcome:
    """Render as `helm upgrade` does in a cluster that has these objects."""
    with api_server(objects, folder) as kubeconfig:
        command = [
            helm(),
            "template",
            RELEASE,
            str(CHART),
            "--namespace",
            NAMESPACE,
            "--dry-run=server",
            "--is-upgrade",
        ]
        done = subprocess.run(
            [*command, *KNOWN, "--no-hooks", "--kubeconfig", str(kubeconfig), "--values", "-"],
            input=yaml.safe_dump(dict(values)),
            capture_output=True,
            text=True,
            check=False,
        )
    return Outcome(done.returncode == 0, done.stdout, done.stderr)


def deployment(pool_size: int, surge: Any = 1, name: str = RELEASE, **environment: str) -> Manifest:
    """A Deployment of the current chart; its annotation says that no log of changes is used."""
    labels = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/component": "app"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": labels,
            "annotations": {"jobfinder.dev/log-of-changes": "none"},
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxSurge": surge}},
            "template": {"spec": _pod_spec(pool_size, environment)},
        },
    }


def autoscaler(most: int, name: str = RELEASE, kind: str = "Deployment", target: str = RELEASE) -> Manifest:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"maxReplicas": most, "scaleTargetRef": reference},
    }


def pod(number: int, pool_size: int, phase: str = "Running") -> Manifest:
    labels = {"app.kubernetes.io/instance": RELEASE, "app.kubernetes.io/component": "app", "pod-template-hash": "x"}
    meta = {"name": f"pod-{number}", "namespace": NAMESPACE, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": _pod_spec(pool_size, {}),
        "status": {"phase": phase},
    }


def config(name: str = RELEASE, *, converged: bool = True, target: str = RELEASE, **database: Any) -> Manifest:
    condition = {"type": "BudgetConverged", "status": "True", "observedGeneration": 3 if converged else 2}
    return {
        "apiVersion": "jobfinder.dev/v1alpha1",
        "kind": "JobFinderConfig",
        "metadata": {"name": name, "namespace": NAMESPACE, "generation": 3},
        "spec": {"target": {"deployment": target}, "database": {"connectionBudget": 80, "maxPods": 13, **database}},
        "status": {"conditions": [condition]},
    }


def _pod_spec(pool_size: int, environment: Mapping[str, str]) -> Manifest:
    given = {"PGBOUNCER_POOL_SIZE": str(pool_size), **environment}
    env: list[Manifest] = [{"name": name, "value": value} for name, value in given.items()]
    env.append({"name": "SECRET", "valueFrom": {}})  # a variable without a plain value
    return {"initContainers": [{"name": "pgbouncer-config", "env": env}], "containers": [{"name": "app"}]}
