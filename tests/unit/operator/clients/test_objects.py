"""Reading of Kubernetes objects."""

from typing import Any, cast

import pytest
from lightkube.models.core_v1 import PodSpec
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod

from jobfinder_operator.clients import objects
from jobfinder_operator.deciding.snapshot import Phase


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> Pod:
    env = [{"name": "PGBOUNCER_POOL_SIZE", "value": "3"}]
    given = {
        "metadata": {"name": "pod-a", "uid": "u", **metadata},
        "spec": {
            "containers": [{"name": "app"}],
            "initContainers": [{"name": "pgbouncer-config", "env": env}, {"name": "pgbouncer"}],
            "terminationGracePeriodSeconds": 60,
            "nodeName": "n",
        },
        "status": status or {},
    }
    return cast(Pod, Pod.from_dict(given))


def container(name: str, state: dict[str, Any], identity: str = "containerd://1") -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "containerID": identity,
        "image": "",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }


def deployment(surge: int | str | None = 1, kind: str = "RollingUpdate", replicas: int = 3) -> Deployment:
    strategy: dict[str, Any] = {"type": kind}
    if kind == "RollingUpdate" and surge is not None:
        strategy["rollingUpdate"] = {"maxSurge": surge}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"a": "b"}},
        "strategy": strategy,
        "template": {"spec": {"containers": []}},
    }
    return cast(Deployment, Deployment.from_dict({"metadata": {"name": "d"}, "spec": spec}))


def autoscaler(name: str, most: int, target: str = "d") -> HorizontalPodAutoscaler:
    reference = {"kind": "Deployment", "name": target, "apiVersion": "apps/v1"}
    given = {"metadata": {"name": name}, "spec": {"maxReplicas": most, "scaleTargetRef": reference}}
    return cast(HorizontalPodAutoscaler, HorizontalPodAutoscaler.from_dict(given))


@pytest.mark.parametrize(
    ("status", "metadata", "phase"),
    [
        ({"phase": "Running"}, {}, Phase.RUNNING),
        ({"phase": "Pending"}, {}, Phase.PENDING),
        ({"phase": "Running"}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, Phase.TERMINATING),
        ({"phase": "Failed"}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, Phase.FINISHED),
        ({"phase": "Succeeded"}, {}, Phase.FINISHED),
        ({}, {}, Phase.PENDING),
    ],
)
def test_phases(status: dict[str, Any], metadata: dict[str, Any], phase: Phase) -> None:
    assert objects.pod_seen(pod(status, **metadata)).phase is phase


def test_pod_has_pool_size_at_start_and_container_id_of_its_sidecar() -> None:
    seen = objects.pod_seen(
        pod({"phase": "Running", "initContainerStatuses": [container("pgbouncer", {"running": {}})]})
    )
    assert (seen.born_with, seen.process, seen.grace_seconds, seen.node) == (3, "containerd://1", 60.0, "n")
    ended = pod(
        {"phase": "Running", "initContainerStatuses": [container("pgbouncer", {"terminated": {"exitCode": 1}})]}
    )
    assert objects.pod_seen(ended).process == ""


def test_a_pod_that_is_being_deleted_has_its_own_grace() -> None:
    assert objects.pod_seen(pod(deletionGracePeriodSeconds=5)).grace_seconds == 5.0


def test_a_pod_is_reachable_until_its_node_is_lost() -> None:
    assert objects.pod_seen(pod({"phase": "Running"})).reachable
    assert not objects.pod_seen(pod({"phase": "Running", "reason": "NodeLost"})).reachable
    assert not objects.pod_seen(pod({"phase": "Unknown"})).reachable


def test_finished_pod_has_no_address() -> None:
    assert objects.address(pod({"phase": "Running", "podIP": "10.0.0.1"})) == "10.0.0.1"
    assert objects.address(pod({"phase": "Failed", "podIP": "10.0.0.1"})) == ""


@pytest.mark.parametrize(
    ("surge", "kind", "expected"),
    [(1, "RollingUpdate", 1), ("25%", "RollingUpdate", 2), (None, "RollingUpdate", 2), (1, "Recreate", 0)],
)
def test_surge_is_a_number_of_pods(surge: int | str | None, kind: str, expected: int) -> None:
    found = objects.workload(deployment(surge, kind, replicas=3), autoscaler("a", 6))
    assert (found.surge, found.hpa_max, found.hpa_min) == (expected, 6, 1)


def test_the_autoscaler_is_the_one_that_scales_the_deployment() -> None:
    found = objects.autoscaler_of("d", [autoscaler("other", 9, target="x"), autoscaler("own", 4)])
    assert found is not None
    assert found.spec.maxReplicas == 4
    assert objects.workload(deployment(), None).hpa_max is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("128Mi", 128 * 1024**2),
        ("1Gi", 1024**3),
        ("0.5Gi", 1024**3 // 2),
        ("100M", 10**8),
        ("1k", 1000),
        ("2Ki", 2048),
        ("1500m", 2),
        ("134217728", 134217728),
    ],
)
def test_quantities(text: str, expected: int) -> None:
    assert objects.quantity(text) == expected


def test_invalid_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        objects.quantity("128 MB")


def test_the_memory_limit_is_that_of_memcached_and_not_of_its_exporter() -> None:
    containers = [
        {"name": "exporter", "resources": {"limits": {"memory": "1Gi"}}},
        {"name": "memcached", "resources": {"limits": {"memory": "128Mi"}}},
    ]
    spec = {"selector": {"matchLabels": {}}, "serviceName": "m", "template": {"spec": {"containers": containers}}}
    found = cast(StatefulSet, StatefulSet.from_dict({"metadata": {"name": "m"}, "spec": spec}))
    assert objects.memory_limit(found) == 128 * 1024**2


def with_replica() -> Pod:
    env = [{"name": "PGBOUNCER_POOL_SIZE", "value": "2"}, {"name": "PGBOUNCER_PORT", "value": "6433"}]
    spec = {
        "containers": [{"name": "app"}],
        "initContainers": [
            {"name": "pgbouncer-replica-a-config", "env": env},
            {"name": "pgbouncer-config", "env": [{"name": "PGBOUNCER_POOL_SIZE", "value": "3"}]},
        ],
    }
    running = [
        container(name, {"running": {}}, f"containerd://{name}") for name in ("pgbouncer", "pgbouncer-replica-a")
    ]
    given = {"metadata": {"name": "pod-a", "uid": "u"}, "spec": spec, "status": {"initContainerStatuses": running}}
    return cast(Pod, Pod.from_dict(given))


def test_pgbouncer_of_a_replica_is_told_from_that_of_the_primary() -> None:
    primary = objects.pod_seen(with_replica())
    assert (primary.born_with, primary.process) == (3, "containerd://pgbouncer")
    found = objects.for_replica(with_replica(), primary, "a")
    assert found is not None
    seen, port = found
    assert (seen.uid, seen.born_with, seen.process, port) == ("u", 2, "containerd://pgbouncer-replica-a", 6433)
    assert objects.for_replica(with_replica(), primary, "b") is None
    assert objects.for_replica(pod(), primary, "a") is None


def test_pod_has_ended_only_when_the_pgbouncers_of_replicas_have() -> None:
    ended: dict[str, Any] = {"terminated": {"exitCode": 0}}
    running: dict[str, Any] = {"running": {}}
    for state, over in ((running, False), (ended, True)):
        poolers = [container("pgbouncer", ended), container("pgbouncer-replica-a", state)]
        config = container("pgbouncer-replica-a-config", running)
        status = {"containerStatuses": [container("app", ended)], "initContainerStatuses": [*poolers, config]}
        assert objects.has_ended(pod(status)) is over


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_pod_of_a_lost_node_is_not_reachable_though_it_counts_as_failed(phase: str) -> None:
    running: dict[str, Any] = {"running": {}}
    over: dict[str, Any] = {"terminated": {"exitCode": 0}}
    for state, reachable in ((running, False), (over, True)):
        status = {"phase": phase, "containerStatuses": [container("app", state), container("pgbouncer", state)]}
        seen = objects.pod_seen(pod(status))
        assert (seen.phase, seen.reachable) == (Phase.FINISHED, reachable)


def test_deleted_pod_has_ended_when_all_its_containers_have() -> None:
    over: dict[str, Any] = {"terminated": {"exitCode": 0}}
    runs: dict[str, Any] = {"running": {}}
    app, sidecar = container("app", over), container("pgbouncer", over)
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    ended = {"phase": "Running", "containerStatuses": [app], "initContainerStatuses": [sidecar]}
    assert objects.pod_seen(pod(ended, **deleted)).phase is Phase.FINISHED
    assert objects.pod_seen(pod(ended)).phase is Phase.RUNNING
    draining = ended | {"initContainerStatuses": [container("pgbouncer", runs)]}
    assert objects.pod_seen(pod(draining, **deleted)).phase is Phase.TERMINATING
    assert not objects.has_ended(pod({"containerStatuses": [app]}, **deleted))
    assert not objects.has_ended(pod({}, **deleted))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"DATABASE_HOST": "Db.Example.", "DATABASE_PORT": "5433", "DATABASE_NAME": "jobs"}, "db.example:5433/jobs"),
        ({"DATABASE_HOST": "db", "DATABASE_NAME": "jobs"}, "db:5432/jobs"),
        ({"DATABASE_NAME": "jobs"}, ""),
    ],
)
def test_database_is_read_from_the_pooler_configuration(given: dict[str, str], name: str) -> None:
    environment = [{"name": key, "value": value} for key, value in {"PGBOUNCER_POOL_SIZE": "1", **given}.items()]
    misleading = {"name": "other", "env": [{"name": "DATABASE_HOST", "value": "other"}]}
    containers = [misleading, {"name": "pgbouncer-config", "env": environment}]
    spec = cast(PodSpec, PodSpec.from_dict({"containers": [], "initContainers": containers}))
    assert objects.database(spec) == name


def test_database_in_a_secret_is_told_by_the_secret() -> None:
    files = {f"DATABASE_{part}_FILE": f"/run/secrets/jobfinder/database-{part.lower()}" for part in ("HOST", "NAME")}
    environment = [{"name": key, "value": value} for key, value in {"PGBOUNCER_POOL_SIZE": "1", **files}.items()]
    items = [{"key": "host", "path": "database-host"}, {"key": "dbname", "path": "database-name"}]
    volume = {"name": "database-password", "secret": {"secretName": "orders-app", "items": items}}
    containers = {"containers": [], "initContainers": [{"name": "pgbouncer-config", "env": environment}]}
    mounted = cast(PodSpec, PodSpec.from_dict({**containers, "volumes": [{"name": "other"}, volume]}))
    assert objects.database(mounted) == "secret orders-app/host:5432/secret orders-app/dbname"
    elsewhere = cast(PodSpec, PodSpec.from_dict(containers))
    assert objects.database(elsewhere) == f"{files['DATABASE_HOST_FILE']}:5432/{files['DATABASE_NAME_FILE']}"


def test_database_in_a_variable_from_a_secret_is_told_by_the_secret() -> None:
    host = {"name": "DATABASE_HOST", "valueFrom": {"secretKeyRef": {"name": "orders-app", "key": "host"}}}
    name = {"name": "DATABASE_NAME", "value": "jobs"}
    node = {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    environment = [{"name": "PGBOUNCER_POOL_SIZE", "value": "1"}, host, name, node]
    pooler = {"name": "pgbouncer-config", "env": environment}
    spec = cast(PodSpec, PodSpec.from_dict({"containers": [], "initContainers": [pooler]}))
    assert objects.database(spec) == "secret orders-app/host:5432/jobs"
