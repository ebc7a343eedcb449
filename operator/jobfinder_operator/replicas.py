"""The budgets of read replicas: each replica has PgBouncers in the pods, and a ledger and decisions of its own."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lightkube.resources.core_v1 import Pod

from jobfinder_operator import act
from jobfinder_operator.act import Until
from jobfinder_operator.clients import objects
from jobfinder_operator.clients.cluster import Notice
from jobfinder_operator.clients.pgbouncer import Consoles
from jobfinder_operator.config import Settings
from jobfinder_operator.deciding.budget import decide
from jobfinder_operator.deciding.claims import Claim, recorded_elsewhere
from jobfinder_operator.deciding.ledger import ledgers_of_replicas
from jobfinder_operator.deciding.shares import Demands, measure
from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Snapshot
from jobfinder_operator.observer import Observer, Sight
from jobfinder_operator.reporting import events
from jobfinder_operator.reporting.conditions import Pools
from jobfinder_operator.spec import ReplicaSpec, Spec, budget_parameters
from jobfinder_operator.tuning.contents import console_settings

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Looked:
    """Of one round: the resource, and the time up to which everything was read. `ended`: as in `Snapshot`."""

    resource: Resource
    spec: Spec
    at: float
    ended: frozenset[str]


@dataclass
class _Server:
    """What is kept of one replica between rounds; it may be lost without harm."""

    consoles: Consoles
    demands: Demands = field(default_factory=Demands)


class Replicas:
    """The consoles of the PgBouncers for replicas, by the replica's name."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        self._settings, self._observer = settings, observer
        self._servers: dict[str, _Server] = {}

    def close(self) -> None:
        """Close all consoles."""
        for each in self._servers.values():
            each.consoles.close()

    async def look(self, replicas: Iterable[ReplicaSpec], sight: Sight) -> dict[str, Snapshot]:
        """The pods in `sight` that have a PgBouncer for the replica, as that PgBouncer is; without one that is gone."""
        names = [each.name for each in replicas]
        for gone in self._servers.keys() - set(names):
            self._servers.pop(gone).consoles.close()
        return dict(zip(names, await asyncio.gather(*(self._look(name, sight) for name in names)), strict=True))

    def decide(
        self, view: Looked, snapshots: Mapping[str, Snapshot], claims: Iterable[Claim], holder: str
    ) -> dict[str, Pools]:
        """The decision for each replica, by its own ledger; `claims`: of other resources."""
        spec, claims, decided = view.spec, tuple(claims), dict[str, Pools]()
        ledgers = ledgers_of_replicas(view.resource.get("status"))
        for each in spec.database.replicas:
            seen, own = snapshots[each.name], spec.of(each)
            seen = replace(seen, ended=view.ended, recorded=recorded_elsewhere(one.of(each.name) for one in claims))
            parameters = budget_parameters(own, seen, holder, self._settings.command_window_s)
            decision = decide(parameters, ledgers.get(each.name), seen, view.at)
            decided[each.name] = Pools(own, seen, decision)
        return decided

    async def act(self, decided: Mapping[str, Pools], until: Until) -> list[Notice]:
        """Take the steps of all replicas; returns what was changed."""
        every = await asyncio.gather(
            *(resize(self._consoles(name), pools, until, f"replica {name}: ") for name, pools in decided.items())
        )
        return [notice for notices in every for notice in notices]

    async def shrink_to_floor(self, spec: Spec, pods: Mapping[str, Pod], until: Until) -> None:
        """Shrink the pools of these pods, by uid, to the size that they started with; best effort."""
        for each in spec.database.replicas:
            found = {uid: objects.for_replica(pod, objects.pod_seen(pod), each.name) for uid, pod in pods.items()}
            ports = {uid: sidecar[1] for uid, sidecar in found.items() if sidecar is not None}
            hosts = {uid: host for uid in ports if (host := objects.address(pods[uid]))}
            await act.shrink_to_floor(self._consoles(each.name), hosts, spec.database.floor, until, ports)

    def _consoles(self, name: str) -> Consoles:
        account, timeout_s = self._settings.console_account, self._settings.command_timeout_s
        return self._servers.setdefault(name, _Server(Consoles(account, timeout_s))).consoles

    async def _look(self, name: str, sight: Sight) -> Snapshot:
        consoles = self._consoles(name)
        found = [objects.for_replica(sight.pods[pod.uid], pod, name) for pod in sight.observed.pods]
        asked = {each.uid for each in sight.observed.pods if each.phase is not Phase.TERMINATING or each.reading}
        consoles.keep({sidecar.uid for sidecar, _ in filter(None, found)} & asked)

        async def read(sidecar: PodSeen, port: int) -> PodSeen:
            host = objects.address(sight.pods[sidecar.uid])
            if not host or sidecar.uid not in asked:
                consoles.drop(sidecar.uid)
                return sidecar
            return replace(sidecar, reading=await self._observer.read_console(consoles, sidecar, host, port))

        pods = tuple(await asyncio.gather(*(read(*each) for each in found if each is not None)))
        server = self._servers[name]
        server.demands = measure(server.demands, pods)
        starts = objects.born_with(sight.owner, name) if sight.owner is not None else None
        return Snapshot(
            at=sight.observed.at,
            pods=pods,
            workload=replace(sight.observed.workload, born_with=starts),
            demands=server.demands.levels,
        )


async def resize(consoles: Consoles, pools: Pools, until: Until, whose: str = "") -> list[Notice]:
    """Take the decided steps, repair pools that were changed by hand, and set timeouts. Returns what was changed.

    While the budget is infeasible, the steps alone are taken.
    """
    done = await act.take(consoles, pools.decision.steps, until)
    notices = events.of_changes("PoolsResized", [f"{whose}{each}" for each in done])
    if pools.decision.infeasible:
        return notices
    running = [pod for pod in pools.observed.pods if pod.phase is Phase.RUNNING and pod.reading is not None]
    repaired = await act.settle_pools(consoles, running, until)
    notices += events.of_changes("PoolsResized", [f"{whose}{each}" for each in repaired])
    neighbours = [pod for pod in pools.observed.neighbours if pod.reading is not None]  # of the same release
    uids = [pod.uid for pod in (*running, *neighbours)]
    settled = await act.settle_consoles(consoles, uids, console_settings(pools.spec), until)
    return notices + events.of_changes("TimeoutsSet", sorted({f"{whose}{each}" for each in settled}))
