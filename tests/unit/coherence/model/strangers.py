"""Scenes with workers that have another log than the database, and with changes of the log; their mutations."""

from functools import partial
from typing import Any
from unittest.mock import patch

from app.coherence import Coherence, replace_log
from app.coherence.log.agreement import Agreement
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.lease import Lease
from app.coherence.log.store import NO_LOG
from app.coherence.store import Outbox
from tests.unit.coherence.model.record import SimRecord
from tests.unit.coherence.model.scenes import later, prepare
from tests.unit.coherence.model.scheduler import in_turn
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.world import World


def complete(world: World, *workers: Coherence) -> None:
    """Let those of `workers` that have the new log complete a change of the log."""
    for _ in range(2):
        world.scheduler.sleep(0.1)
        for each in workers:
            each.drain()


def logout_without_a_log(world: World) -> None:
    """A worker without memcached ends a session that another one has cached."""
    second = world.workers[1]
    prepare(world, lambda: world.check_session(second))
    stranger = world.start_worker(servers=())
    spawn(world, stranger, world.log_out)
    spawn(world, second, later(world, 0.01, world.check_session))


def logout_with_another_log(world: World) -> None:
    second = world.workers[1]
    prepare(world, lambda: world.check_session(second))
    stranger = world.start_worker(servers=(1, 0))
    spawn(world, stranger, world.log_out)
    spawn(world, second, later(world, 0.06, world.check_session))


def logout_beside_change(world: World) -> None:
    """The database gives the log up while a worker relies on it; then a worker without a log ends the session."""
    second = world.workers[1]
    prepare(world, lambda: world.check_session(second))
    stranger = world.start_worker(servers=())
    world.scheduler.spawn(in_turn(partial(world.change_log, NO_LOG), lambda: world.log_out(stranger)))
    for seconds in (0.03, 0.08):
        spawn(world, second, later(world, seconds, world.check_session))


def logout_by_outdated_worker(world: World) -> None:
    """A worker without a log does not know that the database uses one again."""
    second = world.workers.pop()
    world.workers.clear()
    stranger = world.start_worker(servers=())
    world.workers.append(second)
    prepare(
        world,
        partial(world.change_log, NO_LOG),
        partial(complete, world, stranger),
        stranger.drain,
        partial(world.change_log, world.servers[0].name),
        partial(complete, world, second),
        lambda: world.check_session(second),
    )
    spawn(world, stranger, world.log_out)
    spawn(world, second, later(world, 0.01, world.check_session))


def logout_between_two_changes(world: World) -> None:
    """The log is given up and used again; facts cached before that must not be believed."""
    second = world.workers[1]
    prepare(world, lambda: world.check_session(second))
    stranger = world.start_worker(servers=())
    prepare(
        world,
        partial(world.change_log, NO_LOG),
        partial(complete, world, stranger),
        lambda: world.log_out(stranger),
        partial(world.change_log, world.servers[0].name),
        partial(complete, world, second),
    )
    spawn(world, second, world.check_session)
    spawn(world, stranger, world.check_session)


SCENES = (
    logout_without_a_log,
    logout_with_another_log,
    logout_beside_change,
    logout_by_outdated_worker,
    logout_between_two_changes,
)


def workers_with_another_log_may_write() -> Any:
    return patch.object(Agreement, "_objection", lambda self, found: "")


def leases_are_not_ended_at_a_change() -> Any:
    return patch.object(replace_log, "_end_leases", lambda present, open_log, clock: None)


def confirming_does_not_wait_for_a_change() -> Any:
    return patch.object(SimRecord, "wait", lambda self: None)


def agreement_is_not_checked_again() -> Any:
    return patch.object(Lease, "_agreed", lambda self, state: True)


def the_outbox_does_not_say_which_log_is_used() -> Any:
    return patch.object(Outbox, "delete_of", lambda self, xid, counter: True)


def every_change_leaves_the_counter() -> Any:
    return patch.object(ChangeLog, "counted_by", lambda self, counter: self)


RULES = {
    workers_with_another_log_may_write: logout_without_a_log,
    leases_are_not_ended_at_a_change: logout_beside_change,
    confirming_does_not_wait_for_a_change: logout_beside_change,
    agreement_is_not_checked_again: logout_beside_change,
    the_outbox_does_not_say_which_log_is_used: logout_by_outdated_worker,
    every_change_leaves_the_counter: logout_between_two_changes,
}
