"""Mutations that each break one rule of the budget protocol, and changes that break none.

Rules of deciding are patched away; rules of acting are switched off in `Rules`.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from jobfinder_operator.deciding import budget, claims, evidence
from jobfinder_operator.deciding.budget import Plan
from jobfinder_operator.deciding.evidence import Account, Guess
from jobfinder_operator.deciding.ledger import Entry, Ledger
from jobfinder_operator.deciding.parameters import Parameters
from jobfinder_operator.deciding.snapshot import Phase, PodSeen, Reading, Snapshot
from tests.unit.operator.model.sim_operator import Rules, SimOperator
from tests.unit.operator.model.world import World


def terminating_pods_are_forgotten() -> Any:
    return _living(lambda pod: pod.phase not in (Phase.FINISHED, Phase.TERMINATING))


def unreachable_pods_are_forgotten() -> Any:
    return _living(lambda pod: pod.phase is not Phase.FINISHED and pod.reachable)


@contextmanager
def _living(lives: Callable[[PodSeen], bool]) -> Any:
    """Ignore other pods, also when they end."""

    def absorb(account: Account, recorded: Mapping[str, Entry], seen: Snapshot, guess: Guess) -> None:
        pods = tuple(pod for pod in seen.pods if lives(pod))
        uids = {pod.uid for pod in seen.pods}
        absorb_all(
            account,
            {uid: e for uid, e in recorded.items() if uid not in uids or uid in _uids(pods)},
            replace(seen, pods=pods),
            guess,
        )

    absorb_all = evidence.absorb
    with ExitStack() as stack:
        stack.enter_context(patch.object(budget, "absorb", absorb))
        stack.enter_context(patch.object(budget, "living", lambda pods: (pod for pod in pods if lives(pod))))
        yield


def _uids(pods: tuple[PodSeen, ...]) -> set[str]:
    return {pod.uid for pod in pods}


def unborn_pods_are_forgotten() -> Any:
    def sums(parameters: Parameters, *rest: Any) -> Any:
        return real(replace(parameters, max_pods=0), *rest)

    real = budget._sums
    return patch.object(budget, "_sums", sums)


def nothing_lingers() -> Any:
    """Neither backends of a removed pod nor of a killed sidecar are counted."""
    return patch.object(Account, "bury", lambda self, entry, seconds: None)


def a_deleted_pod_is_a_dead_one() -> Any:
    """Count a deleted pod as ended, also one that was deleted by force."""
    return patch.object(evidence, "_afterlife", lambda account, entry, told: account.parameters.linger_seconds)


def a_lost_node_is_a_dead_one() -> Any:
    def afterlife(account: Account, entry: Entry, *, told: bool) -> float:
        return real(account, replace(entry, reachable=True), told=told)

    real = evidence._afterlife
    return patch.object(evidence, "_afterlife", afterlife)


def a_small_number_is_believed() -> Any:
    """Believe a smaller size, also when another process may have reported it."""
    return patch.object(evidence, "_may_be_another", lambda entry, pod, reading: False)


def nothing_is_on_its_way() -> Any:
    return patch.object(evidence, "settled", lambda parameters, entry, reading: True)


def one_connection_speaks_for_all() -> Any:
    """A command that was sent on another connection may arrive later."""

    def asked(self: Plan, entry: Entry, reading: Reading, to: int) -> None:
        asked_once(self, entry, reading, to)
        self.entries[entry.uid] = replace(self.entries[entry.uid], session=reading.session)

    asked_once = Plan._asked
    return patch.object(Plan, "_asked", asked)


def a_raised_pool_is_not_counted() -> Any:
    def same(account: Account, entry: Entry, reading: Reading, settled: bool) -> Entry:
        return replace(real(account, entry, reading, settled), cap=entry.cap)

    real = evidence._same
    return patch.object(evidence, "_same", same)


def shrinking_is_believed_before_it_is_seen() -> Any:
    def shrink(self: Plan, entry: Entry, reading: Reading, to: int) -> None:
        real(self, entry, reading, to)
        self.entries[entry.uid] = replace(self.entries[entry.uid], cap=to)

    real = Plan.shrink
    return patch.object(Plan, "shrink", shrink)


def growing_is_not_recorded() -> Any:
    """Only sizes that were read are recorded."""

    def grow(self: Plan, entry: Entry, reading: Reading, to: int) -> None:
        real(self, entry, reading, to)
        self.entries[entry.uid] = replace(self.entries[entry.uid], cap=entry.cap)

    real = Plan.grow
    return patch.object(Plan, "grow", grow)


def room_is_given_twice() -> Any:
    def grow(self: Plan, entry: Entry, reading: Reading, to: int) -> None:
        room = self.room
        real(self, entry, reading, to)
        self.room = room

    real = Plan.grow
    return patch.object(Plan, "grow", grow)


def a_new_operator_trusts_the_clock_of_the_old() -> Any:
    return patch.object(budget, "take_over", lambda ledger, holder, now, linger: replace(ledger, holder=holder))


def a_lost_ledger_is_an_empty_one() -> Any:
    def account(parameters: Parameters, ledger: Ledger | None, *rest: Any) -> Account:
        return real(parameters, ledger or Ledger(parameters.holder), *rest)

    real = budget._account
    return patch.object(budget, "_account", account)


def sidecars_start_with_the_floor() -> Any:
    """Ignore the pool size in the pods' templates."""
    return patch.object(budget, "_floor", lambda parameters, seen: parameters.floor)


def floors_are_free() -> Any:
    """Grow to the floor even if it does not fit."""

    def grow(self: Plan, entry: Entry, reading: Reading, to: int) -> None:
        real(self, replace(entry, cap=max(entry.cap, min(to, self.floor))), reading, to)

    real = Plan.grow
    return patch.object(Plan, "grow", grow)


DECIDING = (
    terminating_pods_are_forgotten,
    unreachable_pods_are_forgotten,
    unborn_pods_are_forgotten,
    nothing_lingers,
    a_deleted_pod_is_a_dead_one,
    a_lost_node_is_a_dead_one,
    a_small_number_is_believed,
    nothing_is_on_its_way,
    one_connection_speaks_for_all,
    a_raised_pool_is_not_counted,
    shrinking_is_believed_before_it_is_seen,
    growing_is_not_recorded,
    room_is_given_twice,
    a_new_operator_trusts_the_clock_of_the_old,
    a_lost_ledger_is_an_empty_one,
    sidecars_start_with_the_floor,
    floors_are_free,
)
ACTING = {
    "acts before it records": Rules(records_first=False),
    "overwrites another's record": Rules(compares_versions=False),
    "does not check the size": Rules(checks_size=False, keeps_session=False),
    "acts without the Lease": Rules(minds_lease=False, minds_time=False),
}


def containers_are_not_reported() -> Any:
    """Breaks no rule: the container status only makes a restart known sooner."""

    def seen(self: World, pod: Any) -> PodSeen:
        return replace(real(self, pod), process="")

    real = World._seen
    return patch.object(World, "_seen", seen)


def connections_are_never_kept() -> Any:
    """Breaks no rule: without the session a shrink is only known later."""

    def begin(self: SimOperator, world: World) -> None:
        self.sessions.clear()
        real(self, world)

    real = SimOperator._begin
    return patch.object(SimOperator, "_begin", begin)


def ends_of_pods_are_not_reported() -> Any:
    return patch.object(World, "observe", lambda self: replace(OBSERVE(self), ended=frozenset()))


OBSERVE = World.observe
NO_RULES = (containers_are_not_reported, connections_are_never_kept, ends_of_pods_are_not_reported)


def every_resource_is_an_owner() -> Any:
    return patch.object(claims, "check", lambda mine, others: None)


def a_copied_ledger_is_believed() -> Any:
    def inherited(ledger: Ledger | None, parameters: Parameters, now: float) -> Ledger:
        return real(ledger, parameters, now) if ledger is None else replace(ledger, holder=parameters.holder)

    real = evidence.inherited
    return patch.object(budget, "inherited", inherited)


def what_was_granted_before_is_not_kept() -> Any:
    return patch.object(claims, "handed_on", lambda own, owner: Ledger(""))


def neighbours_are_not_counted() -> Any:
    return patch.object(budget, "_reserved", lambda account, seen: 0)


# Each with the seed from which the search starts.
SHARING = {
    every_resource_is_an_owner: 79,
    a_copied_ledger_is_believed: 120,
    what_was_granted_before_is_not_kept: 135,
    neighbours_are_not_counted: 17,
}
