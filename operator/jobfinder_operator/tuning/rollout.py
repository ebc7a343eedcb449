"""Rollout of the tuning file: writes the ConfigMap, makes kubelets update it, confirms it or rolls it back.

Annotations of the ConfigMap store the last contents that every worker applied and those that a worker refused, so a
restarted operator knows both.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lightkube.resources.core_v1 import ConfigMap

from jobfinder_operator.clients.app_metrics import AppMetrics
from jobfinder_operator.clients.cluster import Cluster, Forbidden, Notice
from jobfinder_operator.deciding.snapshot import AppReading, PodSeen, Snapshot
from jobfinder_operator.observer import Sight
from jobfinder_operator.reporting.status import TuningState

log = logging.getLogger(__name__)

KEY = "tuning.json"
GOOD, REFUSED = "jobfinder.dev/tuning-applied", "jobfinder.dev/tuning-refused"
SEEN = "jobfinder.dev/tuning-generation"  # on a pod: a change makes its kubelet update the ConfigMap at once
PATIENCE_S = 150.0  # for a refusal of unknown time: longer than a kubelet takes to update a file that is not nudged

Contents = dict[str, Any]


@dataclass(frozen=True)
class TuningFile:
    """The ConfigMap, parsed; `contents` without the generation."""

    found: ConfigMap | None
    generation: int = 0
    contents: Contents | None = None
    good: Contents | None = None
    refused: Contents | None = None


@dataclass(frozen=True)
class TuningPlan:
    """`write` None leaves the file as it is; `annotations` None is removed. `state` is for the resource's status."""

    state: TuningState
    write: Contents | None = None
    generation: int = 0
    annotations: Mapping[str, str | None] | None = None
    notice: Notice | None = None


class Refusals:
    """Finds pods that refuse the current file: their refusal counter rises while they do not apply it.

    A worker counts the refusals of all files. One whose counter this process has not read before the file was written
    (the operator has restarted, or the pod is new) may have refused an earlier one: it is believed after PATIENCE_S.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._generation = -1
        self._before: dict[tuple[str, int], int] = {}
        self._since: dict[tuple[str, int], float] = {}

    def expect(self, generation: int, apps: Mapping[str, AppMetrics]) -> None:
        """Call before writing a generation, with the metrics read before: sets the counters to compare with."""
        self._generation, self._since = generation, {}
        self._before = {(uid, worker): number for uid, app in apps.items() for worker, number in app.refusals.items()}

    def of(self, generation: int, apps: Mapping[str, AppMetrics]) -> set[str]:
        """The uids of pods with a worker that has refused this generation."""
        if generation != self._generation:
            self.expect(generation, {})
        workers = [(uid, worker) for uid, app in apps.items() for worker in app.generations]
        return {key[0] for key in workers if self._refuses(key, apps[key[0]])}

    def _refuses(self, key: tuple[str, int], app: AppMetrics) -> bool:
        refusals = app.refusals.get(key[1], 0)
        if app.generations[key[1]] == self._generation:
            self._before[key] = refusals
            self._since.pop(key, None)
            return False
        if key in self._before or refusals == 0:
            self._before[key] = min(self._before.get(key, 0), refusals)  # a worker that has restarted counts from 0
            return refusals > self._before[key]
        return self._clock() - self._since.setdefault(key, self._clock()) > PATIENCE_S


def name_of(deployment: str) -> str:
    """Name of the ConfigMap of this Deployment's pods."""
    return f"{deployment}-tuning"


def understand(found: ConfigMap | None) -> TuningFile:
    """Parse the ConfigMap; a file that is not JSON has `contents` None and is written again."""
    if found is None:
        return TuningFile(None)
    notes = (found.metadata.annotations if found.metadata is not None else None) or {}
    contents = _contents((found.data or {}).get(KEY))
    generation = contents.pop("generation", 0) if contents is not None else 0
    return TuningFile(
        found,
        generation if isinstance(generation, int) else 0,
        contents,
        _contents(notes.get(GOOD)),
        _contents(notes.get(REFUSED)),
    )


def with_apps(sight: Sight, refusing: set[str]) -> Snapshot:
    """The snapshot, with the metrics of the pods' own processes added."""

    def told(pods: tuple[PodSeen, ...]) -> tuple[PodSeen, ...]:
        return tuple(
            replace(pod, app=_reading(sight.apps[pod.uid], pod.uid in refusing)) if pod.uid in sight.apps else pod
            for pod in pods
        )

    return replace(sight.observed, pods=told(sight.observed.pods), neighbours=told(sight.observed.neighbours))


def plan(file: TuningFile, wanted: Contents, observed: Snapshot) -> TuningPlan:
    """What to write, and the resource's status after that; `wanted` has no generation."""
    told = {pod.name: pod.app for pod in observed.pods + observed.neighbours if pod.app is not None}
    refusing = sorted(name for name, app in told.items() if app.refused)
    seen = [number for app in told.values() for number in app.generations]
    following = max([file.generation, *seen]) + 1
    if refusing and file.contents is not None and file.contents != (file.good or {}):
        words = f"generation {file.generation} of the tuning is refused by {_some(refusing)}"
        return TuningPlan(
            TuningState(following, f"{words}; the last good one holds" if file.contents == wanted else ""),
            file.good or {},
            following,
            {REFUSED: _text(file.contents)},
            Notice("TuningRefused", f"{words}; rolled back to the last good one as generation {following}", "Warning"),
        )
    if wanted == file.refused:
        words = "the pods have refused these values; the last good ones hold until the resource says something else"
        return TuningPlan(TuningState(file.generation, words))
    if wanted != file.contents:
        notice = Notice("TuningWritten", f"generation {following} of the tuning: {_difference(file.contents, wanted)}")
        return TuningPlan(TuningState(following), wanted, following, {REFUSED: None}, notice)
    if wanted != file.good and _applied(file.generation, observed):
        notice = Notice("TuningApplied", f"every worker has applied generation {file.generation} of the tuning")
        return TuningPlan(TuningState(file.generation), annotations={GOOD: _text(wanted)}, notice=notice)
    return TuningPlan(TuningState(file.generation))


async def carry_out(cluster: Cluster, file: TuningFile, made: TuningPlan, sight: Sight, refusals: Refusals) -> None:
    """Write what is planned, and annotate pods that lag, so that their kubelets update the file; raises ClusterError.

    Without the annotation a kubelet updates the file by itself within two minutes.
    """
    generation = file.generation
    if made.write is not None:
        generation = made.generation
        refusals.expect(generation, sight.apps)
    if file.found is not None and (made.write is not None or made.annotations):
        text = None if made.write is None else _text({"generation": generation, **made.write})
        await cluster.patch_config_map(file.found, made.annotations or {}, {} if text is None else {KEY: text})
    try:
        await _nudge(cluster, generation, sight)
    except Forbidden as error:
        log.debug("pods cannot be annotated, kubelets update the file by themselves: %s", error)


async def _nudge(cluster: Cluster, generation: int, sight: Sight) -> None:
    for uid, app in sight.apps.items():
        pod = sight.followers[uid].metadata
        lags = any(each != generation for each in app.generations.values())
        if lags and pod is not None and pod.name and (pod.annotations or {}).get(SEEN) != str(generation):
            await cluster.annotate_pod(pod.name, {SEEN: str(generation)})


def _applied(generation: int, observed: Snapshot) -> bool:
    pods = observed.tuned
    return bool(pods) and all(
        pod.app is not None and bool(pod.app.generations) and set(pod.app.generations) == {generation} for pod in pods
    )


def _reading(app: AppMetrics, refused: bool) -> AppReading:
    return AppReading(
        generations=tuple(app.generations.values()),
        refused=refused,
        cache_hits=app.cache_hits,
        cache_misses=app.cache_misses,
        users_cached=app.users_cached,
        sessions_ended=app.sessions_ended,
        resident_bytes=app.resident_bytes,
    )


def _contents(text: str | None) -> Contents | None:
    try:
        given = json.loads(text or "")
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _text(contents: Contents) -> str:
    return json.dumps(contents, sort_keys=True)


def _difference(before: Contents | None, after: Contents) -> str:
    """The fields that change, as `limits.requests_per_user 600 -> 900`."""
    old, new = _flat(before or {}), _flat(after)
    changed = [f"{name} {old.get(name, 'default')} -> {new.get(name, 'default')}" for name in sorted(old | new)]
    return ", ".join(
        each for name, each in zip(sorted(old | new), changed, strict=True) if old.get(name) != new.get(name)
    )


def _flat(contents: Contents, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in contents.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
