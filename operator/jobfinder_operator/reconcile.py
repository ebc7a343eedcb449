"""One round of reconciling: read everything, decide, write the status, act; and the last one of a deleted resource."""

import asyncio
import datetime as dt
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobfinder_operator import act
from jobfinder_operator.act import Until
from jobfinder_operator.clients.cluster import Cluster, ClusterError, Conflict, Notice, Resource
from jobfinder_operator.clients.lease import Leadership
from jobfinder_operator.clients.objects import address
from jobfinder_operator.clients.pgbouncer import Consoles
from jobfinder_operator.config import Settings
from jobfinder_operator.deciding.budget import Decision, decide
from jobfinder_operator.deciding.claims import Claim, TargetTaken, check, recorded_elsewhere
from jobfinder_operator.deciding.evidence import Drift
from jobfinder_operator.deciding.ledger import Ledger
from jobfinder_operator.deciding.shares import Demands, measure
from jobfinder_operator.deciding.snapshot import Phase, Snapshot
from jobfinder_operator.observer import Observer, Sight, TargetError
from jobfinder_operator.replicas import Looked, Replicas, resize
from jobfinder_operator.reporting import events, status
from jobfinder_operator.reporting.conditions import Pools
from jobfinder_operator.reporting.events import Events
from jobfinder_operator.reporting.metrics import Metrics
from jobfinder_operator.reporting.samples import sample
from jobfinder_operator.spec import Spec, SpecError, budget_parameters, read_spec
from jobfinder_operator.tuning import rollout
from jobfinder_operator.tuning.contents import tuning_file
from jobfinder_operator.tuning.rollout import Refusals, TuningFile, TuningPlan

log = logging.getLogger(__name__)

SOON_S = 0.2
ENDING_S = 0.5  # while a PgBouncer that is shutting down may wait for the operator to close its console
REFRESH_S = 30.0  # shortest interval between status writes if only fluctuating numbers have changed
LEASE_MARGIN_S = 1.0


@dataclass
class Surroundings:
    """Shared by the loops of all resources. `process`: id of this operator process, whose clock all times are of.

    `ended`: uids of deleted pods whose containers had all ended at deletion.
    """

    cluster: Cluster
    leadership: Leadership
    settings: Settings
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic
    process: str = field(default_factory=lambda: uuid.uuid4().hex)
    ended: deque[str] = field(default_factory=lambda: deque(maxlen=1000))


@dataclass(frozen=True)
class View:
    """What one round has read and, at the time `at`, decided."""

    at: float
    resource: Resource
    spec: Spec
    sight: Sight
    decision: Decision
    file: TuningFile
    tuning: TuningPlan
    replicas: Mapping[str, Pools]

    @property
    def decisions(self) -> list[Decision]:
        """Of the primary's pools, and of each replica's."""
        return [self.decision, *(each.decision for each in self.replicas.values())]


class NotOurs(Exception):
    """The Deployment belongs to another release, whose operator has its own Lease."""


class Reconciler:
    """The rounds of one resource. State kept between rounds may be lost at any time without harm."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self._name, self._around = name, around
        settings = around.settings
        self._consoles = Consoles(settings.console_account, settings.command_timeout_s)
        self._observer = Observer(around.cluster, self._consoles, settings, around.clock)
        self._replicas = Replicas(settings, self._observer)
        self._events = Events(around.cluster, around.clock)
        self._refusals = Refusals(around.clock)
        self._demands = Demands()
        self._written_at = float("-inf")
        self._last: View | None = None

    async def round(self) -> float:
        """Run one round; returns the seconds until the next. Raises ClusterError."""
        settings = self._around.settings
        resource = await self._around.cluster.resource(self._name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            return settings.interval_s
        try:
            view = await self._look(resource, read_spec(resource))
        except (SpecError, TargetError, TargetTaken) as error:
            await self._report(resource, error)
            return settings.interval_s
        except NotOurs:
            return settings.interval_s
        clock, lease_s = self._around.clock, self._around.leadership.remaining_s - LEASE_MARGIN_S
        deadline = min(view.at + settings.command_window_s / 2, clock() + lease_s)
        until = Until(deadline, settings.command_timeout_s, clock)
        self._last = view
        if not await self._record(view):
            return SOON_S
        changed = await self._act(view, until) if view.spec.acts else False
        return self._pause(view, changed)

    async def farewell(self, resource: Resource) -> None:
        """After the deletion of `resource`: shrink its reachable pods to the floor.

        An operator that has just started has run no round of it, and its predecessor may still hold the Lease.
        """
        last, around = self._last, self._around
        try:
            spec = last.spec if last else read_spec(resource)
            if not spec.acts or not await around.leadership.soon_holds():
                return
            pods = last.sight.pods if last else await self._observer.left(resource, spec.target)
            hosts = {uid: host for uid, pod in pods.items() if (host := address(pod))}
            now = around.clock()
            until = Until(now + around.settings.command_window_s, around.settings.command_timeout_s, around.clock)
            await act.shrink_to_floor(self._consoles, hosts, spec.database.floor, until)
            await self._replicas.shrink_to_floor(spec, pods, until)
            log.info("%s is gone: %d pods are back at %d", self._name, len(hosts), spec.database.floor)
        except (ClusterError, SpecError, TargetError) as error:
            log.warning("%s is gone, and its pods keep their pools: %s", self._name, error)

    def close(self) -> None:
        self._consoles.close()
        self._replicas.close()
        self._around.metrics.forget(self._name)

    async def _look(self, resource: Resource, spec: Spec) -> View:
        around = self._around
        await self._sole(resource)
        sight = await self._observer.look(resource, spec.target)
        file = rollout.understand(await around.cluster.config_map(rollout.name_of(sight.deployment)))
        refusing = self._refusals.of(file.generation, sight.apps)
        self._demands = measure(self._demands, sight.observed.pods)
        observed = replace(rollout.with_apps(sight, refusing), demands=self._demands.levels)
        snapshots = await self._replicas.look(spec.database.replicas, sight)
        observed = replace(observed, ended=frozenset(around.ended))
        at = around.clock()
        claims = await self._sole(resource)
        observed = replace(observed, recorded=recorded_elsewhere(claims))
        parameters = budget_parameters(spec, observed, around.process, around.settings.command_window_s)
        ledger = Ledger.from_dict((resource.get("status") or {}).get("ledger"))
        decision = decide(parameters, ledger, observed, at)
        looked = Looked(resource, spec, at, observed.ended)
        replicas = self._replicas.decide(looked, snapshots, claims, around.process)
        wanted = tuning_file(spec, 0)
        wanted.pop("generation")
        plan = rollout.plan(file, wanted, observed)
        return View(at, resource, spec, replace(sight, observed=observed), decision, file, plan, replicas)

    async def _sole(self, resource: Resource) -> list[Claim]:
        """The claims of other resources; raises TargetTaken or NotOurs if this resource does not own its target.

        Checked again after the time from which the deadlines of commands count: when another resource becomes the
        owner, all commands of this round have taken effect before it acts.
        """
        claims = await self._observer.claims()
        mine = claims.pop(resource["metadata"]["name"], None)
        if mine is None:
            return []
        if self._around.settings.release and mine.release not in ("", self._around.settings.release):
            raise NotOurs
        check(mine, claims.values())
        return list(claims.values())

    async def _record(self, view: View) -> bool:
        """Write the status if it has changed; False if no step may follow (no Lease, or the write conflicted)."""
        around, resource = self._around, view.resource
        old = resource.get("status") or {}
        state = view.tuning.state if view.spec.acts else replace(view.tuning.state, generation=view.file.generation)
        situation = status.Situation(view.spec, view.sight.observed, view.decision, state, replicas=view.replicas)
        new = status.build(situation, resource, _now())
        new["ledger"] = view.decision.ledger.to_dict()
        self._tell_metrics(view, new)
        if not around.leadership.holds:
            return False
        notices = [*events.of_conditions(old, new), *events.of_drifts(_drifts(view))]
        if new["ledger"] != old.get("ledger") or self._worth_writing(old, new):
            try:
                await around.cluster.write_status(resource, new)
            except Conflict:
                return False
            self._written_at = around.clock()
        await self._tell(resource, notices)
        return around.leadership.holds

    def _worth_writing(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        if status.without_times(old) != status.without_times(new):
            return True
        return bool(old != new and self._around.clock() - self._written_at > REFRESH_S)

    async def _act(self, view: View, until: Until) -> bool:
        around = self._around
        primary = Pools(view.spec, view.sight.observed, view.decision)
        notices, of_replicas = await asyncio.gather(
            resize(self._consoles, primary, until), self._replicas.act(view.replicas, until)
        )
        notices += of_replicas
        if view.decision.infeasible:
            await self._events.tell(view.resource, notices)
            return bool(notices)
        if view.spec.memcached_megabytes is not None:
            notices += events.of_changes("MemorySet", await self._settle_memory(view, view.spec.memcached_megabytes))
        if around.leadership.holds:
            await rollout.carry_out(around.cluster, view.file, view.tuning, view.sight, self._refusals)
            notices += [view.tuning.notice] if view.tuning.notice is not None else []
        await self._tell(view.resource, notices)
        return bool(notices)

    async def _settle_memory(self, view: View, megabytes: int) -> list[str]:
        settings = self._around.settings
        return await act.settle_memory(
            view.sight.observed.memcached,
            view.sight.servers,
            megabytes,
            settings.memcached_port,
            settings.command_timeout_s,
        )

    async def _report(self, resource: Resource, error: Exception) -> None:
        """Report in the status why the resource cannot be applied; nothing else is changed."""
        old, reason = resource.get("status") or {}, status.reason_of(error)
        situation = status.Situation(None, Snapshot(self._around.clock()), None, error=str(error), reason=reason)
        new = status.build(situation, resource, _now())
        if "ledger" in old:
            new["ledger"] = old["ledger"]
        if isinstance(error, TargetTaken):
            self._last = None
            self._consoles.keep(())
            new["ledger"] = error.ledger.to_dict()
            new["replicas"] = [{"name": name, "ledger": each.to_dict()} for name, each in error.replicas.items()]
            self._replicas.close()
        self._around.metrics.refuse(self._name)
        if self._around.leadership.holds and status.without_times(old) != status.without_times(new):
            await self._around.cluster.write_status(resource, new)
            await self._tell(resource, [Notice(reason, str(error), "Warning")])

    async def _tell(self, resource: Resource, notices: Sequence[Notice]) -> None:
        for notice in notices:
            if notice.type == "Warning" and not notice.reason.startswith(events.DRIFT):
                self._around.metrics.refused.labels(self._name, notice.reason).inc()
        await self._events.tell(resource, notices)

    def _tell_metrics(self, view: View, new: Mapping[str, Any]) -> None:
        metrics, feasible = self._around.metrics, status.holds(new, "BudgetFeasible")
        taken = sample(view.decision, view.sight.observed, view.replicas, feasible=feasible)
        metrics.show(self._name, taken, status.holds(new, "Ready"))
        for drift in _drifts(view):
            metrics.drift.labels(self._name, drift.kind).inc()

    def _pause(self, view: View, changed: bool) -> float:
        if changed or any(each.unsettled for each in view.decisions):
            return SOON_S
        pause = self._around.settings.interval_s
        if any(pod.phase is Phase.TERMINATING and pod.reading is not None for pod in view.sight.observed.pods):
            pause = min(pause, ENDING_S)
        for wake_at in (each.wake_at for each in view.decisions):
            if wake_at is not None:
                pause = min(pause, wake_at - self._around.clock())
        return max(SOON_S, pause)


def _drifts(view: View) -> list[Drift]:
    return [drift for each in view.decisions for drift in each.drifts]


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
