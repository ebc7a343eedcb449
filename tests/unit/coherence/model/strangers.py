"""Workers with another log beside those with the log of the database, and changes of it; rules to be left out."""

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
    """Let a change be completed by those of `workers` that have the following log."""
    for _ in range(2):
        world.scheduler.sleep(0.1)
        for each in workers:
            each.drain()


def logout_without_a_log(world: World) -> None:
    """A worker without memcached ends the session that another one knows."""
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
    """The log is given up while a worker relies on it; then one without it ends the session."""
    second = world.workers[1]
    prepare(world, lambda: world.check_session(second))
    stranger = world.start_worker(servers=())
    world.scheduler.spawn(in_turn(partial(world.change_log, NO_LOG), lambda: world.log_out(stranger)))
    for seconds in (0.03, 0.08):
        spawn(world, second, later(world, seconds, world.check_session))


def logout_by_one_left_behind(world: World) -> None:
    """A worker without a log does not know that the database has got one meanwhile."""
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
    """The log is given up and used again; what was remembered before says nothing."""
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
    logout_by_one_left_behind,
    logout_between_two_changes,
)


def strangers_may_write() -> Any:
    return patch.object(Agreement, "_objection", lambda self, found: "")


def nobody_is_told_of_a_change() -> Any:
    return patch.object(replace_log, "_end_leases", lambda present, open_log, clock: None)


def asking_does_not_wait_for_a_change() -> Any:
    return patch.object(SimRecord, "wait", lambda self: None)


def nobody_asks_again() -> Any:
    return patch.object(Lease, "_agreed", lambda self, state: True)


def the_outbox_does_not_say_which_log_is_used() -> Any:
    return patch.object(Outbox, "delete_of", lambda self, xid, counter: True)


def every_change_leaves_the_counter() -> Any:
    return patch.object(ChangeLog, "counted_by", lambda self, counter: self)


RULES = {
    strangers_may_write: logout_without_a_log,
    nobody_is_told_of_a_change: logout_beside_change,
    asking_does_not_wait_for_a_change: logout_beside_change,
    nobody_asks_again: logout_beside_change,
    the_outbox_does_not_say_which_log_is_used: logout_by_one_left_behind,
    every_change_leaves_the_counter: logout_between_two_changes,
}
