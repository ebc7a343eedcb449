"""Renders the chart with Helm; `VARIANTS` are sets of values that together render every object."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.cluster.builds import programs
from tests.e2e.cluster.config import ROOT, folders

CHART = ROOT / "charts" / "jobfinder"
RELEASE, NAMESPACE = "jobfinder", "jobs"

Manifest = dict[str, Any]
Values = Mapping[str, Any]

EXTERNAL: Values = {
    "database": {"host": "postgresql.example"},
    "secrets": {"existingSecret": "own", "existingKeysSecret": "own-keys"},
}
BUNDLED: Values = {"postgresql": {"enabled": True}, "secrets": EXTERNAL["secrets"]}
EVERYTHING: Values = {
    **EXTERNAL,
    "database": {
        **EXTERNAL["database"],
        "tls": {"mode": "verify-full", "caSecret": "authority"},
        "replicas": [{"name": "a", "host": "replica.example", "connectionBudget": 40}],
    },
    "global": {"imageRegistry": "images.example", "imagePullSecrets": [{"name": "pull"}]},
    "trustedProxies": ["10.0.0.0/8"],
    "mail": {"existingSecret": "mail", "from": "no-reply@jobs.example", "pagesUrl": "https://jobs.example/account"},
    "settings": {"REFRESH_TOKEN_SECONDS": 2592000, "PREPARED_STATEMENTS": False, "LOG_REQUESTS": 0.5},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "k", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "extraEnv": [{"name": "E", "value": "1"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map"}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text'}",
    ],
    "pgbouncer": {"exporter": {"enabled": True}},
    "worker": {"enabled": True, "replicas": 2},
    "realtime": {"enabled": True, "hpa": {"targetConnections": 8000}},
    "memcached": {"exporter": {"enabled": True}, "podAnnotations": {"a": "b"}, "nodeSelector": {"disk": "ssd"}},
    "service": {"type": "NodePort", "nodePort": 30080, "annotations": {"a": "b"}},
    "ingress": {
        "enabled": True,
        "className": "traefik",
        "annotations": {"a": "b"},
        "hosts": ["jobs.example"],
        "tls": [{"secretName": "tls", "hosts": ["jobs.example"]}],
    },
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["jobs.example"]},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"a": "ingress"}}}],
        "monitoringFrom": [{"namespaceSelector": {"matchLabels": {"a": "monitoring"}}}],
        "databaseEgress": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "extraEgress": [{"ports": [{"port": 443}]}],
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboards": {"enabled": True},
    },
    "operator": {
        "enabled": True,
        "existingSecret": "own-operator",
        "tls": {"existingSecret": "own-tls"},
        "config": {"limits": {"requestsPerUser": 300}},
    },
}
BARE: Values = {
    **EXTERNAL,
    "serviceAccount": {"create": False},
    "memcached": {"enabled": False},
    "migrations": {"enabled": False},
    "hpa": {"enabled": False},
    "pdb": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "topologySpread": [],
    "preStopSeconds": 0,
    "tests": {"enabled": False},
}
VARIANTS: Mapping[str, Values] = {
    "external": EXTERNAL,
    "bundled": BUNDLED,
    "bundled, in memory": {**BUNDLED, "postgresql": {"enabled": True, "storage": {"ephemeral": True}}},
    "everything": EVERYTHING,
    "bare": BARE,
}


@dataclass(frozen=True)
class Outcome:
    """What Helm printed; `manifests` is empty when it refused."""

    ok: bool
    output: str
    complaint: str

    @property
    def manifests(self) -> list[Manifest]:
        return [each for each in yaml.safe_load_all(self.output) if each] if self.ok else []


@cache
def helm() -> str:
    """Path of the helm program; it is built into the test cluster's cache if it is missing there."""
    programs.build_all(folders(), ("helm",))
    return str(folders().programs / "helm")


def helm_template(values: Values, *arguments: str, chart: Path = CHART, release: str = RELEASE) -> Outcome:
    """Run `helm template`, which does not contact a cluster."""
    return _outcome(yaml.safe_dump(dict(values)), arguments, chart, release)


@cache
def _outcome(values: str, arguments: tuple[str, ...], chart: Path, release: str) -> Outcome:
    """Cached, because many tests render the same values."""
    command = [helm(), "template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", "1.34"]
    done = subprocess.run(
        [*command, "--values", "-", *arguments], input=values, capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode == 0, done.stdout, done.stderr)


def render(values: Values, **options: Any) -> list[Manifest]:
    """Return the rendered objects, hooks included."""
    outcome = helm_template(values, **options)
    assert outcome.ok, outcome.complaint
    return outcome.manifests


def refusal(values: Values) -> str:
    """Return Helm's error as one line; fails when Helm accepts the values."""
    outcome = helm_template(values)
    assert not outcome.ok, "Helm accepted the values"
    return " ".join(outcome.complaint.split())


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of that kind and name."""
    found = [each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    assert len(found) == 1, f"{len(found)} of {kind} {name} in {objects(manifests)}"
    return found[0]


def objects(manifests: list[Manifest]) -> set[str]:
    """`Kind/name` of each."""
    return {f"{each['kind']}/{each['metadata']['name']}" for each in manifests}


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield (`Kind/name`, pod or pod template) of every object that is a pod or makes pods."""
    for each in manifests:
        whose = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield whose, each
        elif "template" in each.get("spec", {}):
            yield whose, each["spec"]["template"]


def containers(pod: Manifest) -> Iterator[Manifest]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def container(pod: Manifest, name: str) -> Manifest:
    return next(each for each in containers(pod) if each["name"] == name)


def environment(container: Manifest) -> dict[str, str]:
    """Variables of the container that have a plain value."""
    return {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
