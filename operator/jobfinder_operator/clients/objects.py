"""Converts Kubernetes objects to the facts that decisions use."""

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from lightkube.models.core_v1 import Container, EnvVar, PodSpec
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod

from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Workload

SIDECAR, SIDECAR_CONFIG, MEMCACHED = "pgbouncer", "pgbouncer-config", "memcached"
REPLICA_SIDECAR = (
    "pgbouncer-replica-"  # and the replica's name; the container that writes its files has `-config` behind
)
POOL_SIZE, CONSOLE_PORT = "PGBOUNCER_POOL_SIZE", "PGBOUNCER_PORT"
SERVER = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME")

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(m|[kKMGTPE]i?)?")
_POWERS = {letter: power for power, letter in enumerate("kMGTPE", start=1)}


def pod_seen(pod: Pod) -> PodSeen:
    """The pod as the API describes it, without readings from its ports."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    if meta is None or meta.uid is None or meta.name is None:
        raise ValueError("a pod without a name")
    grace = meta.deletionGracePeriodSeconds
    if grace is None and spec is not None:
        grace = spec.terminationGracePeriodSeconds
    return PodSeen(
        uid=meta.uid,
        name=meta.name,
        phase=_phase(pod),
        ready=any(each.type == "Ready" and each.status == "True" for each in (status and status.conditions) or ()),
        reachable=_is_reachable(pod),
        node=(spec.nodeName or "") if spec is not None else "",
        process=_process(pod),
        born_with=_born_with(spec),
        grace_seconds=30.0 if grace is None else float(grace),
    )


def for_replica(pod: Pod, seen: PodSeen, replica: str) -> tuple[PodSeen, int] | None:
    """`seen` of the pod's PgBouncer for the replica, and its console's port; None if the pod has none."""
    given = _pooler_environment(pod.spec, replica)
    if not given:
        return None
    port, process = given.get(CONSOLE_PORT, ""), _process(pod, f"{REPLICA_SIDECAR}{replica}")
    sidecar = replace(seen, process=process, born_with=int(given[POOL_SIZE]), reading=None, app=None)
    return sidecar, int(port) if port.isdecimal() else 0


def born_with(deployment: Deployment, replica: str) -> int | None:
    """The pool size with which PgBouncers for the replica start in future pods."""
    return _born_with(deployment.spec.template.spec, replica)


def address(pod: Pod) -> str:
    """The pod's IP address; empty before it has one, and after its containers have ended."""
    if pod.status is None or _phase(pod) is Phase.FINISHED:
        return ""
    return pod.status.podIP or ""


def has_ended(pod: Pod) -> bool:
    """Whether the kubelet reports that all containers have terminated, including every PgBouncer."""
    status = pod.status
    if status is None:
        return False
    sidecars = [each for each in status.initContainerStatuses or () if _is_pooler(each.name)]
    every = [*(status.containerStatuses or ()), *sidecars]
    return any(each.name == SIDECAR for each in every) and all(
        each.state is not None and each.state.terminated is not None for each in every
    )


def workload(deployment: Deployment, autoscaler: HorizontalPodAutoscaler | None) -> Workload:
    """The Deployment and its autoscaler."""
    meta, spec = deployment.metadata, deployment.spec
    scale = autoscaler.spec if autoscaler is not None else None
    replicas = 1 if spec.replicas is None else spec.replicas
    return Workload(
        name=(meta and meta.name) or "",
        replicas=replicas,
        surge=_surge(deployment, max(replicas, scale.maxReplicas if scale is not None else 0)),
        hpa_min=(scale.minReplicas or 1) if scale is not None else None,
        hpa_max=scale.maxReplicas if scale is not None else None,
        born_with=_born_with(spec.template.spec),
    )


def autoscaler_of(name: str, autoscalers: Iterable[HorizontalPodAutoscaler]) -> HorizontalPodAutoscaler | None:
    """The one that scales the Deployment `name`."""
    for each in autoscalers:
        target = each.spec.scaleTargetRef
        if (target.kind, target.name) == ("Deployment", name):
            return each
    return None


def selector(owner: Deployment | StatefulSet) -> dict[str, str]:
    """The labels of its pods."""
    labels = owner.spec.selector.matchLabels
    if not labels:
        raise ValueError(f"{owner.metadata and owner.metadata.name} selects no labels")
    return dict(labels)


def memory_limit(stateful_set: StatefulSet) -> int:
    """Memory limit of the memcached container in bytes; 0: no limit."""
    template = stateful_set.spec.template.spec
    for container in template.containers if template is not None else ():
        if container.name == MEMCACHED and container.resources is not None:
            return quantity((container.resources.limits or {}).get("memory", "0"))
    return 0


def quantity(text: str) -> int:
    """A Kubernetes quantity as a whole number, rounded up; raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number, unit = Fraction(found[1]), found[2] or ""
    if unit == "m":
        return math.ceil(number / 1000)
    base = 1024 if unit.endswith("i") else 1000
    letter = unit[:1].replace("K", "k")
    return math.ceil(number * Fraction(base) ** _POWERS.get(letter, 0))


def _is_pooler(name: str) -> bool:
    return name == SIDECAR or (name.startswith(REPLICA_SIDECAR) and not name.endswith("-config"))


def _is_reachable(pod: Pod) -> bool:
    """False for a pod of a lost node, also after the control plane has called it Failed, which the containers' states
    do not show.
    """
    status = pod.status
    if status is None:
        return True
    if status.phase in ("Failed", "Succeeded"):
        return has_ended(pod)
    return status.phase != "Unknown" and status.reason != "NodeLost"


def _phase(pod: Pod) -> Phase:
    phase = pod.status.phase if pod.status else None
    if phase in ("Failed", "Succeeded"):
        return Phase.FINISHED
    if pod.metadata and pod.metadata.deletionTimestamp is not None:
        return Phase.FINISHED if has_ended(pod) else Phase.TERMINATING
    return Phase.RUNNING if phase == "Running" else Phase.PENDING


def _process(pod: Pod, sidecar: str = SIDECAR) -> str:
    """Container id of the running sidecar, which is an init container with restartPolicy Always or an ordinary one."""
    status = pod.status
    if status is None:
        return ""
    for each in (*(status.initContainerStatuses or ()), *(status.containerStatuses or ())):
        if each.name == sidecar and each.state is not None and each.state.running is not None:
            return each.containerID or ""
    return ""


def database(spec: PodSpec | None) -> str:
    """`host:port/name` from the environment of the pods' PgBouncer; empty if it names no host.

    A part that is in a Secret is replaced by `secret <name>/<key>`, or by the path of its file if no Secret is found:
    pods that use the same Secret use the same database.
    """
    given = _pooler_environment(spec)
    host, port, name = (given.get(each) or _in_secret(spec, given.get(f"{each}_FILE", "")) for each in SERVER)
    return f"{host.lower().rstrip('.')}:{port or 5432}/{name}" if host else ""


def _in_secret(spec: PodSpec | None, path: str) -> str:
    """`secret <name>/<key>` of the file at `path`; `path` itself if no Secret has it."""
    secrets = [volume.secret for volume in (spec and spec.volumes) or () if volume.secret is not None]
    file = path.rpartition("/")[2]
    items = ((each.secretName, item) for each in secrets for item in each.items or ())
    return next((f"secret {name}/{item.key}" for name, item in items if item.path == file), path)


def _born_with(spec: PodSpec | None, replica: str = "") -> int | None:
    size = _pooler_environment(spec, replica).get(POOL_SIZE, "")
    return int(size) if size.isdecimal() else None


def _pooler_environment(spec: PodSpec | None, replica: str = "") -> dict[str, str]:
    """Environment of the container that writes the configuration of PgBouncer, that for the primary or for a replica:
    the first with a pool size.
    """
    containers: list[Container] = [*((spec and spec.initContainers) or ()), *((spec and spec.containers) or ())]
    for container in containers:
        whose = container.name.removeprefix(REPLICA_SIDECAR).removesuffix("-config")
        if (whose if container.name.startswith(REPLICA_SIDECAR) else "") != replica:
            continue
        given = {each.name: each.value or _key(each) for each in container.env or ()}
        if given.get(POOL_SIZE, "").isdecimal():
            return given
    return {}


def _key(variable: EnvVar) -> str:
    """`secret <name>/<key>` of a variable that comes from a Secret; otherwise empty."""
    key = variable.valueFrom.secretKeyRef if variable.valueFrom is not None else None
    return f"secret {key.name}/{key.key}" if key is not None else ""


def _surge(deployment: Deployment, replicas: int) -> int:
    strategy = deployment.spec.strategy
    if strategy is not None and strategy.type == "Recreate":
        return 0
    given = strategy.rollingUpdate.maxSurge if strategy and strategy.rollingUpdate else None
    text = "25%" if given is None else str(given)
    return math.ceil(replicas * int(text[:-1]) / 100) if text.endswith("%") else int(text)
