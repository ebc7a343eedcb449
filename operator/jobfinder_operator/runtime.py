"""The running operator: one Lease, one loop per resource, probes and metrics."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

from lightkube.resources.core_v1 import Pod

from jobfinder_operator.clients import objects
from jobfinder_operator.clients.cluster import ClusterError, KubernetesCluster, Resource
from jobfinder_operator.clients.lease import Leadership
from jobfinder_operator.config import Settings
from jobfinder_operator.loop import Loop
from jobfinder_operator.reconcile import Surroundings
from jobfinder_operator.reporting.health import HealthServer, Pulse
from jobfinder_operator.reporting.metrics import Metrics

log = logging.getLogger(__name__)

LOOK_S = 15.0


class Operator:
    """The handlers call `changed`, `gone`, `pod_deleted` and `wake`; the loops read everything else themselves."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._pulse, self._metrics = settings, Pulse(), Metrics()
        self._cluster = KubernetesCluster.from_environment(settings.namespace)
        self._leadership = Leadership(
            self._cluster, settings.lease_name, settings.pod_name, duration_s=settings.lease_s
        )
        self._around = Surroundings(self._cluster, self._leadership, settings, self._metrics)
        self._loops: dict[str, Loop] = {}
        self._resources: dict[str, Resource] = {}
        self._health: HealthServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._health = HealthServer(self._pulse, self._settings.health_port)
        self._metrics.serve(self._settings.metrics_port)
        keep = self._leadership.keep(self._lead, lambda: self._pulse.beat("the Lease", 6 * self._settings.lease_s))
        self._tasks = [asyncio.create_task(keep, name="lease"), asyncio.create_task(self._find(), name="find")]
        self._pulse.ready = True

    async def stop(self) -> None:
        """Stop the loops, then release the Lease, after which another operator may act at once."""
        self._pulse.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(loop.stop() for loop in self._loops.values()))
        await self._leadership.release()
        await self._cluster.close()
        if self._health is not None:
            self._health.close()

    def changed(self, resource: Resource) -> None:
        """The resource exists. Start its loop, or wake it if the spec has changed, not the status alone."""
        name = resource["metadata"]["name"]
        if name not in self._loops:
            self._loops[name] = Loop(name, self._around, self._pulse.beat)
        elif _generation(self._resources[name]) != _generation(resource):
            self._loops[name].wake()
        self._resources[name] = resource

    async def gone(self, name: str) -> None:
        """The resource was deleted: stop its loop."""
        loop = self._loops.pop(name, None)
        if loop is not None:
            await loop.stop(gone=self._resources.pop(name))
            self._pulse.forget(f"loop of {name}")

    def pod_deleted(self, body: Mapping[str, Any]) -> None:
        """Record the pod if its containers have ended: an object deleted by force disappears before its containers."""
        pod = cast(Pod, Pod.from_dict(dict(body)))
        if objects.has_ended(pod) and pod.metadata is not None and pod.metadata.uid is not None:
            self._around.ended.append(pod.metadata.uid)

    def wake(self) -> None:
        """A pod, Deployment or autoscaler has changed: wake all loops."""
        for loop in self._loops.values():
            loop.wake()

    async def _find(self) -> None:
        """List the resources regularly, in case the handlers missed an event."""
        while True:
            try:
                found = {each["metadata"]["name"]: each for each in await self._cluster.resources()}
                for name in self._loops.keys() - found:
                    await self.gone(name)
                for each in found.values():
                    self.changed(each)
            except ClusterError as error:
                log.warning("the resources could not be listed: %s", error)
            self._pulse.beat("the list of resources", 4 * LOOK_S)
            await asyncio.sleep(LOOK_S)

    def _lead(self, leads: bool) -> None:
        self._metrics.leader.set(leads)
        self.wake()


def _generation(resource: Resource) -> int:
    return int(resource["metadata"].get("generation", 0))
