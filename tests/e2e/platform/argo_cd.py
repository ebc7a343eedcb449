"""Applies rendered manifests in Argo CD's order: by phase, wave and kind.

Helm's install and upgrade hooks become PreSync and PostSync, with their weight as the wave; other hooks are not run.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tests.e2e.cluster.access import Cluster
from tests.e2e.waiting import wait_until

PHASES = ("PreSync", "Sync", "PostSync")
HOOKS = {"pre-install": "PreSync", "pre-upgrade": "PreSync", "post-install": "PostSync", "post-upgrade": "PostSync"}
KINDS = (
    "NetworkPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "Ingress",
)
"""Kinds in the order in which they are applied; all other kinds come last."""
ROLLED_OUT = ("Deployment", "StatefulSet")
APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "--filename=-")

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """One object to apply."""

    manifest: Manifest
    phase: str

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.manifest["metadata"].get("annotations") or {}

    @property
    def is_hook(self) -> bool:
        return "helm.sh/hook" in self.annotations

    @property
    def step(self) -> tuple[int, int]:
        """(phase, wave); the objects of a step are applied together and waited for before the next."""
        return PHASES.index(self.phase), int(self.annotations.get("helm.sh/hook-weight", 0))

    @property
    def kind(self) -> int:
        kind = self.manifest["kind"]
        return KINDS.index(kind) if kind in KINDS else len(KINDS)

    @property
    def order(self) -> tuple[tuple[int, int], int, str]:
        return self.step, self.kind, self.manifest["metadata"]["name"]

    def is_deleted(self, when: str) -> bool:
        """Whether the hook is deleted at `when`: `before-hook-creation` or `hook-succeeded`."""
        return when in self.annotations.get("helm.sh/hook-delete-policy", "before-hook-creation").split(",")


def tasks(manifests: Iterable[Manifest]) -> list[Task]:
    """Return what a sync applies, in order."""
    found = []
    for each in manifests:
        hooks = (each["metadata"].get("annotations") or {}).get("helm.sh/hook")
        phases = {HOOKS[hook] for hook in hooks.split(",") if hook in HOOKS} if hooks else {"Sync"}
        found += [Task(each, phase) for phase in phases]
    return sorted(found, key=lambda task: task.order)


@dataclass(frozen=True)
class Application:
    """`ignored`: kinds of which an existing object's spec is not changed (RespectIgnoreDifferences)."""

    cluster: Cluster
    namespace: str
    ignored: Sequence[str] = ()

    def sync(self, manifests: Iterable[Manifest]) -> None:
        """Apply step by step; raises ClusterError or AssertionError if an object is refused or fails."""
        planned = tasks(manifests)
        for _, step in groupby(planned, key=lambda task: task.step):
            applied = list(step)
            for _, alike in groupby(applied, key=lambda task: task.kind):
                self._apply(list(alike))
            for task in applied:
                self._wait(task)
        self._delete([task for task in planned if task.is_hook and task.is_deleted("hook-succeeded")])

    def _apply(self, those: Sequence[Task]) -> None:
        self._delete([task for task in those if task.is_hook and task.is_deleted("before-hook-creation")])
        self._kubectl(*APPLY, given=_in_one(self._respecting(task.manifest) for task in those))

    def _respecting(self, manifest: Manifest) -> Manifest:
        """Return the manifest, with the existing object's spec if its kind is ignored."""
        if manifest["kind"] not in self.ignored:
            return manifest
        which = f"{manifest['kind']}/{manifest['metadata']['name']}"
        found = self._kubectl("get", which, "--ignore-not-found", "--output=json")
        return {**manifest, "spec": json.loads(found)["spec"]} if found else manifest

    def _wait(self, task: Task) -> None:
        kind, name = task.manifest["kind"], task.manifest["metadata"]["name"]
        if kind in ROLLED_OUT:
            self._kubectl("rollout", "status", f"{kind}/{name}", "--timeout=180s")
        elif kind == "Job":
            ended = wait_until(lambda: self._ended(name), bool, f"the end of Job {name}")
            assert ended == ["Complete"], f"Job {name}: {ended}\n{self._kubectl('logs', f'job/{name}')}"
        elif kind == "CustomResourceDefinition":
            self.cluster.wait("condition=Established", f"crd/{name}")

    def _ended(self, job: str) -> list[str]:
        found = json.loads(self._kubectl("get", "job", job, "--output=json"))
        conditions = found["status"].get("conditions", ())
        return [
            each["type"] for each in conditions if each["status"] == "True" and each["type"] in ("Complete", "Failed")
        ]

    def _delete(self, those: Sequence[Task]) -> None:
        if those:
            manifests = _in_one(task.manifest for task in those)
            self._kubectl("delete", "--filename=-", "--ignore-not-found", given=manifests)

    def _kubectl(self, *arguments: str, given: str | None = None) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, given=given)


def _in_one(manifests: Iterable[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
