"""A release for the operator: pods with real PgBouncers and stub services, one memcached, and a fake API."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from app.local.process import becomes_true
from jobfinder_operator.clients.lease import Leadership, LeaseConflict, LeaseRecord
from jobfinder_operator.config import Settings
from jobfinder_operator.reconcile import Reconciler, Surroundings
from jobfinder_operator.reporting.metrics import Metrics
from tests.integration.operator import pods, sidecars
from tests.integration.operator.fake_cluster import FakeCluster
from tests.integration.operator.pods import StubService
from tests.integration.operator.sidecars import Sidecar

NAME, RELEASE = "demo-jobfinder", "demo"
LABELS = {"app.kubernetes.io/name": "jobfinder", "app.kubernetes.io/instance": RELEASE}


class OwnLease:
    """A Lease without contenders; `taken` gives it to another holder."""

    def __init__(self) -> None:
        self.taken = False

    async def read_lease(self, name: str) -> LeaseRecord | None:
        return LeaseRecord("another", 3600, "1") if self.taken else None

    async def create_lease(self, name: str, holder: str, duration_s: float) -> None:
        return

    async def replace_lease(self, name: str, record: LeaseRecord) -> None:
        raise LeaseConflict


class Platform:
    """A release with its pods; `operator()` starts a new operator on it."""

    def __init__(
        self, postgres: Postgres, database: str, memcached: Memcached, floor: int = 1, replica: str = ""
    ) -> None:
        """With the name of a `replica`, each pod has a second PgBouncer for it."""
        self.cluster, self._replica = FakeCluster(), replica
        self.for_replica: dict[str, Sidecar] = {}
        self._postgres, self._database, self._floor = postgres, database, floor
        self.memcached = memcached
        self.sidecars: dict[str, Sidecar] = {}
        self.services: dict[str, StubService] = {}
        self.lease = OwnLease()
        self.leadership = Leadership(self.lease, "lease", "operator", duration_s=3600)
        asyncio.run(self.leadership.attempt())
        self._put_release()

    def _put_release(self) -> None:
        template = {"spec": {"containers": [], "initContainers": self._config_containers()}}
        self.cluster.put(
            "Deployment",
            NAME,
            metadata={"labels": {**LABELS, "app.kubernetes.io/component": "app"}},
            spec={
                "replicas": 2,
                "selector": {"matchLabels": {**LABELS, "app.kubernetes.io/component": "app"}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": template,
            },
        )
        labels = {**LABELS, "app.kubernetes.io/component": "memcached"}
        limits = {"resources": {"limits": {"memory": "128Mi"}}}
        self.cluster.put(
            "StatefulSet",
            f"{NAME}-memcached",
            metadata={"labels": labels},
            spec={
                "serviceName": f"{NAME}-memcached",
                "selector": {"matchLabels": labels},
                "template": {"spec": {"containers": [{"name": "memcached", **limits}]}},
            },
        )
        running = {"phase": "Running", "podIP": "127.0.0.1"}
        self.cluster.put(
            "Pod", f"{NAME}-memcached-0", metadata={"labels": labels}, spec={"containers": []}, status=running
        )
        self.cluster.put("ConfigMap", f"{NAME}-tuning")

    def configure(self, **spec: Any) -> None:
        """Create or edit the resource; each keyword replaces a whole section of its spec."""
        stored = self.cluster.objects.get(("JobFinderConfig", NAME), {})
        generation = stored.get("metadata", {}).get("generation", 0) + 1
        meta = {"labels": {**LABELS, "app.kubernetes.io/component": "operator"}, "generation": generation}
        meta["creationTimestamp"] = "2050-01-01T00:00:00Z"
        kept = {"status": stored["status"]} if "status" in stored else {}
        self.cluster.put("JobFinderConfig", NAME, metadata=meta, spec={**stored.get("spec", {}), **spec}, **kept)

    def add_rival(self, name: str, age: str = "2100-01-01T00:00:00Z", **spec: Any) -> None:
        """Add another resource with the same target Deployment."""
        meta = {"labels": LABELS, "generation": 1, "creationTimestamp": age}
        self.cluster.put("JobFinderConfig", name, metadata=meta, spec={"target": {"deployment": NAME}, **spec})

    def add_pod(self, name: str) -> Sidecar:
        sidecar = Sidecar(self._postgres, self._database, floor=self._floor).start()
        self.sidecars[name] = sidecar
        if self._replica:
            beside = Sidecar(self._postgres, self._database, floor=self._floor, beside=sidecar)
            self.for_replica[name] = beside.start()
        self.services[name] = StubService(sidecar.host, self.mounted)
        self.cluster.put(
            "Pod",
            name,
            metadata={"labels": {**LABELS, "app.kubernetes.io/component": "app"}},
            spec={"containers": [], "initContainers": self._config_containers(), "nodeName": "node"},
        )
        self._show(name)
        return sidecar

    def add_workers(self, replicas: int, connections: int) -> None:
        """Add task workers: a Deployment that adds no pods in a rollout, and its pods, whose consoles do not answer."""
        labels = {**LABELS, "app.kubernetes.io/component": "worker"}
        pod = {"containers": [], "initContainers": [_config_container(connections)], "nodeName": "node"}
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "strategy": strategy}
        self.cluster.put(
            "Deployment", f"{NAME}-worker", metadata={"labels": labels}, spec={**spec, "template": {"spec": pod}}
        )
        for number in range(replicas):
            name, host = f"{NAME}-worker-{number}", f"127.1.0.{number + 1}"
            self.services[name] = StubService(host, self.mounted, workers=1)
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            status = {"phase": "Running", "podIP": host, **ready}
            self.cluster.put("Pod", name, metadata={"labels": labels}, spec=pod, status=status)

    def restart_sidecar(self, name: str, *, for_replica: bool = False) -> None:
        sidecar = (self.for_replica if for_replica else self.sidecars)[name]
        sidecar.kill()
        sidecar.start()
        self._show(name)

    def remove_pod(self, name: str) -> None:
        self.sidecars.pop(name).close()
        if self._replica:
            self.for_replica.pop(name).close()
        self.services.pop(name).close()
        self.cluster.delete("Pod", name)

    def mounted(self) -> str | None:
        """The contents of the pods' tuning file; unlike in a cluster, ConfigMap changes show at once."""
        data: dict[str, str] = self.cluster.objects["ConfigMap", f"{NAME}-tuning"].get("data") or {}
        return data.get("tuning.json")

    def tuning(self) -> dict[str, Any]:
        return dict(json.loads(self.mounted() or "{}"))

    def memcached_stats(self) -> dict[str, str]:
        with socket.create_connection(("127.0.0.1", self.memcached.port or 0), timeout=5) as connection:
            connection.sendall(b"stats\r\nquit\r\n")
            lines = connection.makefile("r").read().splitlines()
        return {line.split()[1]: line.split()[2] for line in lines if line.startswith("STAT ")}

    def operator(self, name: str = NAME, release: str = "") -> "RunningOperator":
        settings = Settings(
            namespace="test",
            pod_name="operator-0",
            lease_name="lease",
            pgbouncer_user=sidecars.ACCOUNT.user,
            pgbouncer_password=sidecars.PASSWORD,
            pgbouncer_ca_file=sidecars.ACCOUNT.ca_file,
            pgbouncer_server_name=sidecars.ACCOUNT.server_name,
            pgbouncer_port=sidecars.PORT,
            app_port=pods.PORT,
            tasks_port=pods.PORT,
            memcached_port=self.memcached.port or 0,
            command_timeout_s=1.0,
            command_window_s=2.0,
            release=release,
        )
        return RunningOperator(self, Surroundings(self.cluster, self.leadership, settings, Metrics()), name)

    def close(self) -> None:
        for name in list(self.sidecars):
            self.remove_pod(name)
        for service in self.services.values():
            service.close()

    def _config_containers(self) -> list[dict[str, Any]]:
        found = [_config_container(self._floor)]
        return [*found, _config_container(self._floor, self._replica)] if self._replica else found

    def _show(self, name: str) -> None:
        sidecar, poolers = self.sidecars[name], {"pgbouncer": self.sidecars[name]}
        if self._replica:
            poolers[f"pgbouncer-replica-{self._replica}"] = self.for_replica[name]
        pids = {each: server.process.pid if server.process is not None else 0 for each, server in poolers.items()}
        running = {"state": {"running": {}}, "ready": True, "restartCount": 0, "image": "", "imageID": ""}
        self.cluster.objects["Pod", name]["status"] = {
            "phase": "Running",
            "podIP": sidecar.host,
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [
                {"name": each, "containerID": f"containerd://{pid}", **running} for each, pid in pids.items()
            ],
            "containerStatuses": [{"name": "app", "containerID": "containerd://app", **running}],
        }
        self.cluster.touch("Pod", name)


def _config_container(pool_size: int, replica: str = "") -> dict[str, Any]:
    host = f"{replica}.example" if replica else "postgresql.example"
    port = sidecars.REPLICA_PORT if replica else sidecars.PORT
    variables = {"PGBOUNCER_POOL_SIZE": str(pool_size), "DATABASE_HOST": host, "PGBOUNCER_PORT": str(port)}
    name = f"pgbouncer-replica-{replica}-config" if replica else "pgbouncer-config"
    return {"name": name, "env": [{"name": each, "value": value} for each, value in variables.items()]}


class RunningOperator:
    """One operator process on its own event loop; `crash` drops its state, as SIGKILL would."""

    def __init__(self, platform: Platform, around: Surroundings, name: str = NAME) -> None:
        self.platform, self.around, self._name = platform, around, name
        self._runner = asyncio.Runner()
        self._reconciler = self._runner.run(self._make())

    async def _make(self) -> Reconciler:
        return Reconciler(self._name, self.around)

    def round(self) -> float:
        return self._runner.run(self._reconciler.round())

    def settle(self, condition: Callable[[], bool], timeout_s: float = 20) -> None:
        """Run rounds until `condition()` holds; AssertionError after `timeout_s`."""

        def holds_after_a_round() -> bool:
            self.round()
            return condition()

        if not becomes_true(holds_after_a_round, timeout_s):
            seen = json.dumps(self.platform.cluster.status(self._name), indent=1)
            raise AssertionError(f"the condition does not hold; notices {self.platform.cluster.notices}; status {seen}")

    def farewell(self, resource: Mapping[str, Any]) -> None:
        """After the deletion of the resource, which was last as given."""
        self._runner.run(self._reconciler.farewell(resource))

    def crash(self) -> None:
        self._reconciler.close()
        self._runner.close()
