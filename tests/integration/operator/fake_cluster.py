"""A Kubernetes API in memory: JSON objects, a resourceVersion per write, and conflicts on stale versions."""

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from lightkube.core.dictmixin import DictMixin
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Pod

from jobfinder_operator.clients.cluster import ClusterError, Conflict, Notice, Resource

Object = dict[str, Any]
Kind = TypeVar("Kind", bound=DictMixin)


class FakeCluster:
    """Implements `Cluster` on `objects`, by (kind, name). `down` makes every call fail; `notices` are the events."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.notices: list[Notice] = []
        self.status_writes = 0
        self.down = False
        self._versions = itertools.count(1)

    def put(self, kind: str, name: str, **parts: Any) -> Object:
        """Create or replace an object; name, namespace and uid are added to its metadata."""
        meta = {"name": name, "namespace": "test", "uid": f"{kind}-{name}", **parts.pop("metadata", {})}
        self.objects[kind, name] = {"metadata": meta, **parts}
        self.touch(kind, name)
        return self.objects[kind, name]

    def touch(self, kind: str, name: str) -> None:
        self.objects[kind, name]["metadata"]["resourceVersion"] = str(next(self._versions))

    def delete(self, kind: str, name: str) -> Object:
        """The object as it last was."""
        return self.objects.pop((kind, name))

    def status(self, name: str) -> Object:
        return dict(self.objects["JobFinderConfig", name].get("status") or {})

    def condition(self, name: str, kind: str) -> tuple[str, str]:
        """(status, message) of a condition."""
        found = {each["type"]: each for each in self.status(name).get("conditions", ())}
        return (found[kind]["status"], found[kind].get("message", "")) if kind in found else ("missing", "")

    async def resources(self) -> Sequence[Resource]:
        return self._select("JobFinderConfig", {})

    async def resource(self, name: str) -> Resource | None:
        return self._get("JobFinderConfig", name)

    async def write_status(self, resource: Resource, status: Mapping[str, Any]) -> str:
        stored = self._get("JobFinderConfig", resource["metadata"]["name"])
        if stored is None or stored["metadata"]["resourceVersion"] != resource["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        name = resource["metadata"]["name"]
        self.objects["JobFinderConfig", name]["status"] = copy.deepcopy(dict(status))
        self.status_writes += 1
        self.touch("JobFinderConfig", name)
        return str(self.objects["JobFinderConfig", name]["metadata"]["resourceVersion"])

    async def deployments(self, labels: Mapping[str, str]) -> Sequence[Deployment]:
        return [_typed(Deployment, each) for each in self._select("Deployment", labels)]

    async def deployment(self, name: str) -> Deployment | None:
        found = self._get("Deployment", name)
        return None if found is None else _typed(Deployment, found)

    async def stateful_sets(self, labels: Mapping[str, str]) -> Sequence[StatefulSet]:
        return [_typed(StatefulSet, each) for each in self._select("StatefulSet", labels)]

    async def stateful_set(self, name: str) -> StatefulSet | None:
        found = self._get("StatefulSet", name)
        return None if found is None else _typed(StatefulSet, found)

    async def autoscalers(self) -> Sequence[HorizontalPodAutoscaler]:
        return [_typed(HorizontalPodAutoscaler, each) for each in self._select("HorizontalPodAutoscaler", {})]

    async def pods(self, labels: Mapping[str, str]) -> Sequence[Pod]:
        return [_typed(Pod, each) for each in self._select("Pod", labels)]

    async def annotate_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        self._alive()
        self.objects["Pod", name]["metadata"].setdefault("annotations", {}).update(annotations)
        self.touch("Pod", name)

    async def config_map(self, name: str) -> ConfigMap | None:
        found = self._get("ConfigMap", name)
        return None if found is None else _typed(ConfigMap, found)

    async def patch_config_map(
        self, found: ConfigMap, annotations: Mapping[str, str | None], data: Mapping[str, str]
    ) -> None:
        self._alive()
        assert found.metadata is not None and found.metadata.name is not None
        stored = self.objects["ConfigMap", found.metadata.name]
        if stored["metadata"]["resourceVersion"] != found.metadata.resourceVersion:
            raise Conflict("the object has been modified")
        notes = stored["metadata"].setdefault("annotations", {})
        for name, value in annotations.items():
            notes.pop(name, None) if value is None else notes.update({name: value})
        stored.setdefault("data", {}).update(data)
        self.touch("ConfigMap", found.metadata.name)

    async def tell(self, resource: Resource, notice: Notice) -> None:
        self._alive()
        self.notices.append(notice)

    def _alive(self) -> None:
        if self.down:
            raise ClusterError("connection refused")

    def _get(self, kind: str, name: str) -> Object | None:
        self._alive()
        return copy.deepcopy(self.objects.get((kind, name)))

    def _select(self, kind: str, labels: Mapping[str, str]) -> list[Object]:
        self._alive()
        return [
            copy.deepcopy(each)
            for (found, _), each in self.objects.items()
            if found == kind and labels.items() <= (each["metadata"].get("labels") or {}).items()
        ]


def _typed(kind: type[Kind], given: Object) -> Kind:
    return cast(Kind, kind.from_dict(given))
