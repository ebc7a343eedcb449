"""Reads everything for one round, concurrently: the cluster, consoles and metrics of pods, memcached servers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod

from jobfinder_operator.clients import app_metrics, memcached, objects
from jobfinder_operator.clients.app_metrics import AppMetrics, AppMetricsError
from jobfinder_operator.clients.cluster import Cluster, Resource
from jobfinder_operator.clients.memcached import MemcachedError
from jobfinder_operator.clients.pgbouncer import ConsoleError, Consoles
from jobfinder_operator.config import Settings
from jobfinder_operator.deciding.claims import Claim
from jobfinder_operator.deciding.ledger import Ledger, ledgers_of_replicas
from jobfinder_operator.deciding.parameters import PER_POD_MAX
from jobfinder_operator.deciding.snapshot import MemcachedSeen, Phase, PodSeen, Reading, Snapshot
from jobfinder_operator.spec import Target, target_of

log = logging.getLogger(__name__)

AT_ONCE = 32  # concurrent requests to consoles, pods and memcached servers
SERVED = ("app", "worker", "realtime")  # components whose pods use PostgreSQL, each with a PgBouncer of its own
INSTANCE, COMPONENT, PRODUCT = (f"app.kubernetes.io/{name}" for name in ("instance", "component", "name"))

Answer = TypeVar("Answer")


class TargetError(Exception):
    """The resource's target does not exist, or is ambiguous."""


@dataclass(frozen=True)
class Sight:
    """`owner`: the Deployment. `pods`: the objects by uid. `followers`: the same, with those of other components.
    `apps`: metrics by the pod's uid. `servers`: address by name of the memcached pod.
    """

    observed: Snapshot
    deployment: str
    owner: Deployment | None = None
    pods: Mapping[str, Pod] = field(default_factory=dict)
    followers: Mapping[str, Pod] = field(default_factory=dict)
    apps: Mapping[str, AppMetrics] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)


class Observer:
    """Unreachable pods and servers have no reading; only a failure of the Kubernetes API raises ClusterError."""

    def __init__(self, cluster: Cluster, consoles: Consoles, settings: Settings, clock: Callable[[], float]) -> None:
        self._cluster, self._consoles, self._settings, self._clock = cluster, consoles, settings, clock
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def look(self, resource: Resource, target: Target) -> Sight:
        """Raises TargetError, ClusterError."""
        deployment = await self._deployment(resource, target)
        name = _name(deployment)
        autoscalers = await self._cluster.autoscalers()
        stateful_set = await self._stateful_set(resource, target, name)
        at = self._clock()
        pods = await self._cluster.pods(objects.selector(deployment))
        by_uid = {objects.pod_seen(pod).uid: pod for pod in pods}
        others = await self._neighbours(deployment, by_uid)
        self._consoles.keep(by_uid.keys() | {objects.pod_seen(pod).uid for pod in others})
        seen, servers, neighbours = await asyncio.gather(
            asyncio.gather(*(self._pod(pod) for pod in pods)),
            self._memcached(stateful_set),
            asyncio.gather(*(self._neighbour(pod, deployment) for pod in others)),
        )
        wanted = target.hpa or name
        autoscaler = objects.autoscaler_of(name, autoscalers)
        if target.hpa and (autoscaler is None or autoscaler.metadata is None or autoscaler.metadata.name != wanted):
            raise TargetError(f"there is no HorizontalPodAutoscaler {target.hpa} that scales the Deployment {name}")
        return Sight(
            observed=Snapshot(
                at=at,
                pods=tuple(each for each, _ in seen),
                workload=objects.workload(deployment, autoscaler),
                memcached=tuple(each for each, _ in servers),
                neighbours=tuple(each for each, _ in neighbours),
                neighbour_floors=await self._neighbour_floors(deployment, autoscalers),
            ),
            deployment=name,
            owner=deployment,
            pods=by_uid,
            followers=by_uid | {objects.pod_seen(pod).uid: pod for pod in others},
            apps={each.uid: app for each, app in (*seen, *neighbours) if app is not None},
            servers={each.name: host for each, host in servers},
        )

    async def claims(self) -> dict[str, Claim]:
        """The claim of each resource by its name, without resources whose target does not exist."""
        found: dict[str, Claim] = {}
        for resource in await self._cluster.resources():
            meta, per_pod = resource["metadata"], (_database(resource).get("perPod") or {}).get("max")
            try:
                deployment = await self._deployment(resource, target_of(resource))
            except TargetError:
                continue
            found[meta["name"]] = Claim(
                name=meta["name"],
                age=(str(meta.get("creationTimestamp", "")), meta["uid"]),
                things=_things(deployment),
                ledger=Ledger.from_dict((resource.get("status") or {}).get("ledger")),
                per_pod_max=per_pod if isinstance(per_pod, int) else PER_POD_MAX,
                release=_instance(deployment),
                replicas=ledgers_of_replicas(resource.get("status")),
            )
        return found

    async def left(self, resource: Resource, target: Target) -> dict[str, Pod]:
        """Pods, by uid, that a deleted resource has left to nobody: none if another one claims its Deployment, or the
        Deployment belongs to another release. Raises TargetError, ClusterError.
        """
        deployment, ours = await self._deployment(resource, target), self._settings.release
        claims = await self.claims()
        if ours and _instance(deployment) not in ("", ours):
            return {}
        if any(each.things & _things(deployment) for each in claims.values()):
            return {}
        return {objects.pod_seen(pod).uid: pod for pod in await self._cluster.pods(objects.selector(deployment))}

    async def _neighbours(self, deployment: Deployment, own: Mapping[str, Pod]) -> list[Pod]:
        """Pods of other Deployments that use the same database: of other components, and of other releases."""
        database = objects.database(deployment.spec.template.spec)
        every = [pod for each in SERVED for pod in await self._cluster.pods({COMPONENT: each})] if database else []
        return [pod for pod in every if objects.pod_seen(pod).uid not in own and objects.database(pod.spec) == database]

    async def _neighbour(self, pod: Pod, deployment: Deployment) -> tuple[PodSeen, AppMetrics | None]:
        """A neighbour; it can be asked only if it belongs to the same release."""
        ours, host = _instance(pod) == _instance(deployment), objects.address(pod)
        port = {"worker": self._settings.tasks_port, "realtime": self._settings.realtime_port}.get(
            _label(pod, COMPONENT), 0
        )
        seen = replace(objects.pod_seen(pod), follows=ours and port > 0)
        if not ours or not host or seen.phase is not Phase.RUNNING:
            self._consoles.drop(seen.uid)
            return seen, None
        if not seen.follows:
            return replace(seen, reading=await self._console(seen, host)), None
        reading, metrics = await asyncio.gather(self._console(seen, host), self._app(seen, host, port))
        return replace(seen, reading=reading), metrics

    async def _neighbour_floors(self, deployment: Deployment, autoscalers: Sequence[HorizontalPodAutoscaler]) -> int:
        database = objects.database(deployment.spec.template.spec)
        every = [found for each in SERVED for found in await self._cluster.deployments({COMPONENT: each})]
        others = [each for each in every if _name(each) != _name(deployment)]
        sharing = [each for each in others if database and objects.database(each.spec.template.spec) == database]
        loads = [objects.workload(each, objects.autoscaler_of(_name(each), autoscalers)) for each in sharing]
        return sum(load.pods_at_most * (load.born_with or 0) for load in loads)

    async def _deployment(self, resource: Resource, target: Target) -> Deployment:
        if target.deployment:
            found = await self._cluster.deployment(target.deployment)
            if found is None:
                raise TargetError(f"there is no Deployment {target.deployment}")
            return found
        labels = _release(resource, "app")
        return _only(await self._cluster.deployments(labels), "Deployment", labels)

    async def _stateful_set(self, resource: Resource, target: Target, deployment: str) -> StatefulSet | None:
        """None if there is no memcached. Without release labels, it is found by name: `<deployment>-memcached`."""
        if target.memcached:
            found = await self._cluster.stateful_set(target.memcached)
            if found is None:
                raise TargetError(f"there is no StatefulSet {target.memcached}")
            return found
        if not _has_release(resource):
            return await self._cluster.stateful_set(f"{deployment}-memcached")
        labels = _release(resource, "memcached")
        every = await self._cluster.stateful_sets(labels)
        return _only(every, "StatefulSet", labels) if every else None

    async def _pod(self, pod: Pod) -> tuple[PodSeen, AppMetrics | None]:
        seen, host, app_port = objects.pod_seen(pod), objects.address(pod), self._settings.app_port
        if not host or (seen.phase is Phase.TERMINATING and await self._app(seen, host, app_port) is None):
            self._consoles.drop(seen.uid)
            return seen, None
        if seen.phase is Phase.TERMINATING:
            return replace(seen, reading=await self._console(seen, host)), None
        reading, app = await asyncio.gather(self._console(seen, host), self._app(seen, host, app_port))
        return replace(seen, reading=reading), app

    async def _console(self, pod: PodSeen, host: str) -> Reading | None:
        return await self.read_console(self._consoles, pod, host)

    async def read_console(self, consoles: Consoles, pod: PodSeen, host: str, port: int = 0) -> Reading | None:
        """A reading of the pod's console; None if it does not answer in time. `port` 0: that of the account."""

        async def read() -> Reading:
            console = await consoles.get(pod.uid, host, port)
            return await console.read(self._clock())

        try:
            return await self._bounded(read)
        except (ConsoleError, TimeoutError) as error:
            log.info("the console of pod %s: %s", pod.name, str(error) or "no answer in time")
            return None

    async def _app(self, pod: PodSeen, host: str, port: int) -> AppMetrics | None:
        """None if the pod's own process does not respond. For a Terminating pod this means that it has ended
        and PgBouncer is ending, which waits for its clients, so the operator must leave the console (PgBouncer 1.23).
        The API does not show this: container states are written only when all containers have ended.
        """
        if pod.phase is Phase.PENDING:
            return None
        timeout_s = self._settings.command_timeout_s
        try:
            return await self._bounded(lambda: app_metrics.read(host, port, timeout_s))
        except (AppMetricsError, TimeoutError) as error:
            log.info("the service of pod %s: %s", pod.name, error)
            return None

    async def _memcached(self, stateful_set: StatefulSet | None) -> Sequence[tuple[MemcachedSeen, str]]:
        if stateful_set is None:
            return ()
        limit = objects.memory_limit(stateful_set)
        pods = await self._cluster.pods(objects.selector(stateful_set))
        return await asyncio.gather(*(self._server(pod, limit) for pod in pods))

    async def _server(self, pod: Pod, container_limit: int) -> tuple[MemcachedSeen, str]:
        name, host = objects.pod_seen(pod).name, objects.address(pod)
        seen = MemcachedSeen(name, up=False, container_limit_bytes=container_limit)
        if not host:
            return seen, host
        timeout_s = self._settings.command_timeout_s
        try:
            told = await self._bounded(lambda: memcached.read(host, self._settings.memcached_port, timeout_s))
        except (MemcachedError, TimeoutError) as error:
            log.info("memcached %s: %s", name, error)
            return seen, host
        return replace(
            seen,
            up=True,
            limit_bytes=told.limit_bytes,
            used_bytes=told.used_bytes,
            hits=told.hits,
            misses=told.misses,
            evictions=told.evictions,
            items=told.items,
        ), host

    async def _bounded(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Run `ask` within 1.5 command timeouts in all, so that a slow pod does not delay the round."""
        async with self._limit, asyncio.timeout(1.5 * self._settings.command_timeout_s):
            return await ask()


def _name(deployment: Deployment) -> str:
    return (deployment.metadata and deployment.metadata.name) or ""


def _instance(owner: Deployment | Pod) -> str:
    return _label(owner, INSTANCE)


def _label(owner: Deployment | Pod, name: str) -> str:
    labels: Mapping[str, str] = (owner.metadata and owner.metadata.labels) or {}
    return labels.get(name, "")


def _database(resource: Resource) -> Mapping[str, Any]:
    given: Mapping[str, Any] = (resource.get("spec") or {}).get("database") or {}
    return given


def _things(deployment: Deployment) -> frozenset[str]:
    database = objects.database(deployment.spec.template.spec)
    return frozenset([f"Deployment {_name(deployment)}"] + ([f"PostgreSQL {database}"] if database else []))


def _has_release(resource: Resource) -> bool:
    return INSTANCE in (resource["metadata"].get("labels") or {})


def _release(resource: Resource, component: str) -> dict[str, str]:
    """The labels of the release's objects of one component. Raises TargetError if the resource has no release label."""
    labels = resource["metadata"].get("labels") or {}
    if INSTANCE not in labels:
        raise TargetError(
            f"spec.target.deployment is needed: {resource['metadata']['name']} has no label {INSTANCE} to find it by"
        )
    return {
        PRODUCT: labels.get(PRODUCT, "jobfinder"),
        INSTANCE: labels[INSTANCE],
        COMPONENT: component,
    }


def _only(found: Sequence[Answer], kind: str, labels: Mapping[str, str]) -> Answer:
    text = ",".join(f"{name}={value}" for name, value in labels.items())
    if len(found) != 1:
        raise TargetError(f"{len(found)} objects of kind {kind} have the labels {text}; name one in spec.target")
    return found[0]
