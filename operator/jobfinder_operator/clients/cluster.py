"""The Kubernetes API as the operator uses it: every call that it makes is a method here (`rbac.py` lists the verbs)."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import ConfigMap, Event, Pod
from lightkube.types import PatchType

from jobfinder_operator.clients.lease import LeaseConflict, LeaseRecord

GROUP, VERSION, KIND, PLURAL = "jobfinder.dev", "v1alpha1", "JobFinderConfig", "jobfinderconfigs"
COMPONENT = "jobfinder-operator"

JobFinderConfig: Any = create_namespaced_resource(GROUP, VERSION, KIND, PLURAL)

Resource = Mapping[str, Any]


class ClusterError(Exception):
    """The API did not respond in time, or rejected the request."""


class Conflict(ClusterError):
    """The object has changed since it was read."""


class Forbidden(ClusterError):
    """RBAC does not allow the operator's account this request."""


@dataclass(frozen=True)
class Notice:
    """An event about a resource; `type` is Normal or Warning."""

    reason: str
    message: str
    type: str = "Normal"


class Cluster(Protocol):
    """The Kubernetes calls of a round, in one namespace. Reads never come from a cache. Raises ClusterError."""

    async def resources(self) -> Sequence[Resource]:
        """All that are not being deleted; empty if the cluster has no such resource definition."""
        ...

    async def resource(self, name: str) -> Resource | None: ...

    async def write_status(self, resource: Resource, status: Mapping[str, Any]) -> str:
        """Replace the status; returns the new resourceVersion. Raises Conflict if the object has changed since."""
        ...

    async def deployments(self, labels: Mapping[str, str]) -> Sequence[Deployment]: ...

    async def deployment(self, name: str) -> Deployment | None: ...

    async def stateful_sets(self, labels: Mapping[str, str]) -> Sequence[StatefulSet]: ...

    async def stateful_set(self, name: str) -> StatefulSet | None: ...

    async def autoscalers(self) -> Sequence[HorizontalPodAutoscaler]: ...

    async def pods(self, labels: Mapping[str, str]) -> Sequence[Pod]: ...

    async def annotate_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        """Raises Forbidden if the operator may not patch pods (`operator.annotatePods=false`)."""
        ...

    async def config_map(self, name: str) -> ConfigMap | None: ...

    async def patch_config_map(
        self, found: ConfigMap, annotations: Mapping[str, str | None], data: Mapping[str, str]
    ) -> None:
        """Merge patch; raises Conflict if the object has changed since `found` was read."""
        ...

    async def tell(self, resource: Resource, notice: Notice) -> None: ...


class KubernetesCluster:
    """Implements `Cluster` and `lease.LeaseStore` on an API server, in the namespace of `client`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    @classmethod
    def from_environment(cls, namespace: str, timeout_s: float = 5.0) -> "KubernetesCluster":
        """Authenticates with the pod's service account, or with $KUBECONFIG."""
        config, timeout = KubeConfig.from_env().get(), httpx2.Timeout(timeout_s)
        return cls(AsyncClient(config, namespace=namespace, timeout=timeout, field_manager=COMPONENT))

    async def close(self) -> None:
        await self._client.close()

    async def resources(self) -> Sequence[Resource]:
        try:
            found: list[Resource] = await self._list(JobFinderConfig, {})
        except _NotFound:
            return ()
        return [each for each in found if not each["metadata"].get("deletionTimestamp")]

    async def resource(self, name: str) -> Resource | None:
        found: Resource | None = await self._get(JobFinderConfig, name)
        return found

    async def write_status(self, resource: Resource, status: Mapping[str, Any]) -> str:
        meta = resource["metadata"]
        body = JobFinderConfig.Status(
            metadata={key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            spec=resource.get("spec", {}),
            status=dict(status),
        )
        written = await self._call(self._client.replace(body, name=meta["name"]))
        return str(written["metadata"]["resourceVersion"])

    async def deployments(self, labels: Mapping[str, str]) -> Sequence[Deployment]:
        return await self._list(Deployment, labels)

    async def deployment(self, name: str) -> Deployment | None:
        found: Deployment | None = await self._get(Deployment, name)
        return found

    async def stateful_sets(self, labels: Mapping[str, str]) -> Sequence[StatefulSet]:
        return await self._list(StatefulSet, labels)

    async def stateful_set(self, name: str) -> StatefulSet | None:
        found: StatefulSet | None = await self._get(StatefulSet, name)
        return found

    async def autoscalers(self) -> Sequence[HorizontalPodAutoscaler]:
        return await self._list(HorizontalPodAutoscaler, {})

    async def pods(self, labels: Mapping[str, str]) -> Sequence[Pod]:
        return await self._list(Pod, labels)

    async def annotate_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        body = {"metadata": {"annotations": dict(annotations)}}
        await self._call(self._client.patch(Pod, name, body, patch_type=PatchType.MERGE))

    async def config_map(self, name: str) -> ConfigMap | None:
        found: ConfigMap | None = await self._get(ConfigMap, name)
        return found

    async def patch_config_map(
        self, found: ConfigMap, annotations: Mapping[str, str | None], data: Mapping[str, str]
    ) -> None:
        meta = found.metadata
        if meta is None or meta.name is None:
            raise ClusterError("a ConfigMap without a name")
        body = {
            "metadata": {"annotations": dict(annotations), "resourceVersion": meta.resourceVersion},
            "data": dict(data),
        }
        await self._call(self._client.patch(ConfigMap, meta.name, body, patch_type=PatchType.MERGE))

    async def tell(self, resource: Resource, notice: Notice) -> None:
        meta, now = resource["metadata"], dt.datetime.now(dt.UTC)
        about = ObjectReference(
            apiVersion=f"{GROUP}/{VERSION}",
            kind=KIND,
            name=meta["name"],
            namespace=self._client.namespace,
            uid=meta["uid"],
            resourceVersion=meta.get("resourceVersion"),
        )
        body = Event(
            metadata=ObjectMeta(name=f"{meta['name']}.{uuid.uuid4().hex[:16]}", namespace=self._client.namespace),
            involvedObject=about,
            reason=notice.reason,
            message=notice.message[:1024],
            type=notice.type,
            count=1,
            firstTimestamp=now,
            lastTimestamp=now,
            source=EventSource(component=COMPONENT),
        )
        await self._call(self._client.create(body))

    async def read_lease(self, name: str) -> LeaseRecord | None:
        found: Lease | None = await self._get(Lease, name)
        if found is None or found.metadata is None or found.spec is None:
            return None
        return LeaseRecord(
            holder=found.spec.holderIdentity or "",
            duration_s=float(found.spec.leaseDurationSeconds or 0),
            version=found.metadata.resourceVersion or "",
            acquired=str(found.spec.acquireTime or ""),
            transitions=found.spec.leaseTransitions or 0,
        )

    async def create_lease(self, name: str, holder: str, duration_s: float) -> None:
        body = Lease(metadata=ObjectMeta(name=name), spec=_lease_spec(LeaseRecord(holder, duration_s, "")))
        try:
            await self._call(self._client.create(body))
        except Conflict as error:
            raise LeaseConflict(str(error)) from error

    async def replace_lease(self, name: str, record: LeaseRecord) -> None:
        body = Lease(metadata=ObjectMeta(name=name, resourceVersion=record.version), spec=_lease_spec(record))
        try:
            await self._call(self._client.replace(body, name=name))
        except Conflict as error:
            raise LeaseConflict(str(error)) from error

    async def _get(self, kind: Any, name: str) -> Any:
        try:
            return await self._call(self._client.get(kind, name))
        except _NotFound:
            return None

    async def _list(self, kind: Any, labels: Mapping[str, str]) -> list[Any]:
        async def collect() -> list[Any]:
            return [each async for each in self._client.list(kind, labels=dict(labels) or None)]

        return list(await self._call(collect()))

    async def _call(self, answer: Any) -> Any:
        try:
            return await answer
        except ApiError as error:
            code = error.status.code
            kind = {403: Forbidden, 404: _NotFound, 409: Conflict}.get(code or 0, ClusterError)
            raise kind(f"{error.status.message} ({code})") from error
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            raise ClusterError(f"{type(error).__name__}: {error}") from error


class _NotFound(ClusterError):
    pass


def _lease_spec(record: LeaseRecord) -> LeaseSpec:
    now = _micro_time()
    acquired = dt.datetime.fromisoformat(record.acquired) if record.acquired else now
    return LeaseSpec(
        holderIdentity=record.holder,
        leaseDurationSeconds=max(1, round(record.duration_s)),
        leaseTransitions=record.transitions,
        acquireTime=acquired,
        renewTime=now,
    )


def _micro_time() -> dt.datetime:
    """Now, but never a whole second: the API requires six decimals, and the encoder omits them if all are 0."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=max(1, now.microsecond))
