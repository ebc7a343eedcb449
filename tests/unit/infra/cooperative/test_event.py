"""No wake-up is lost, wherever threads are switched between the steps of `wait` and `set`."""

from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import pytest

from app.coherence.clock import S_IN_NS
from app.infra.cooperative import Event, event
from tests.unit.coherence.model.scheduler import START_NS, Scheduler, in_turn
from tests.unit.switches import Parking, Running, switching

LONG_S = 100.0
SHORT_S = 0.05  # passes when the policy lets time pass

Scene = Callable[[Scheduler, Event], None]


def set_beside_timeout(scheduler: Scheduler, made: Event) -> None:
    """Two tasks wait; the first one times out while the flag is set."""
    alone(scheduler, in_turn(partial(scheduler.sleep, SHORT_S), made.set))
    for seconds in (SHORT_S, LONG_S):
        alone(scheduler, partial(made.wait, seconds))


def two_set(scheduler: Scheduler, made: Event) -> None:
    for _ in range(2):
        alone(scheduler, partial(made.wait, LONG_S))
    for _ in range(2):
        scheduler.spawn(made.set)


def wait_beside_set(scheduler: Scheduler, made: Event) -> None:
    scheduler.spawn(partial(made.wait, LONG_S))
    scheduler.spawn(made.set)


def alone(scheduler: Scheduler, run: Callable[[], object]) -> None:
    """Run the task up to its first wait."""
    task = scheduler.spawn(run)
    while task.wake_ns is None:
        scheduler.step()


@pytest.mark.parametrize(("scene", "switches"), [(set_beside_timeout, 2), (wait_beside_set, 2), (two_set, 1)])
def test_no_wake_up_is_lost_between_threads(scene: Scene, switches: int) -> None:
    running, orders = Running(), 0
    with switching(running.pause, Event), patch.object(event, "parking", lambda: Parking(running.scheduler)):
        for scheduler in running.every_order(lambda scheduler: scene(scheduler, Event()), switches):
            orders += 1
            assert scheduler.now_ns - START_NS < LONG_S * S_IN_NS, "a task slept for the whole timeout"
    assert orders > 100
