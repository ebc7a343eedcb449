"""The model with threads that switch between any two steps of the lease, the history and the proof of a fact."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import repeat
from typing import Any
from unittest.mock import patch

import pytest

from app.coherence import Coherence, user_key
from app.coherence.facts import flights, second_chance
from app.coherence.facts.fact_cache import FactCache, LocalFact
from app.coherence.log import lease
from app.coherence.log.history import History, State
from app.coherence.log.lease import Lease
from app.coherence.log.look import Finding
from tests.unit.coherence.model.mutations import looks_overlap
from tests.unit.coherence.model.scenes import Scene, later, prepare, requests_after_logout
from tests.unit.coherence.model.scheduler import Scheduler, Task
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.world import SMALL, Mood, World
from tests.unit.switches import Running, simulated_locks, switching

Mutation = Callable[[], Any]


def look_beside_request(world: World) -> None:
    """A look makes a full history forget the logout, while a request asks that history about a shared fact."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(first), lambda: world.read_profile(second))
    prepare(world, lambda: world.log_out(first), lambda: world.read_profile(second))
    prepare(world, partial(publish_something_else, first))
    second._lease.state.history.limit = 1
    world.servers[1].answers_s = repeat(0.06)
    spawn(world, second, world.check_session)
    spawn(world, second, later(world, 0.06, Coherence.leased))


def publish_something_else(worker: Coherence) -> None:
    change_log = worker.agreement.log
    assert change_log is not None
    change_log.enter(change_log.take(1), [user_key(2)])


def look_ahead_beside_requests(world: World) -> None:
    """A worker that has not looked since a logout looks ahead, while another request comes."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(second), partial(world.scheduler.sleep, 0.03))
    finish(world, spawn(world, first, world.log_out))
    for _ in range(2):
        spawn(world, second, world.check_session)


def two_looks_at_once(world: World) -> None:
    """Looks from before and after the logout are answered together; then a request reads the shared cache.

    Of the looks that follow once the database has agreed to the log, one is answered at once and one late.
    """
    first, second = world.workers
    prepare(world, lambda: world.check_session(first))
    early = wait_for_answer(world, spawn(world, second, Coherence.leased), 0.0, 0.2)
    finish(world, spawn(world, first, world.log_out))
    late = wait_for_answer(world, spawn(world, second, world.check_session), 0.0, 0.2)
    world.servers[0].answers_s = iter((0.0, 0.2))
    world.servers[1].answers_s = repeat(0.1)
    late.wake_ns = early.wake_ns


def late_look_over_edits(world: World) -> None:
    """The answer to a look from between two edits arrives while a request that looked later reads the shared cache."""
    first, second = world.workers
    prepare(world, lambda: world.read_profile(second), lambda: world.edit_profile(first))
    prepare(world, lambda: world.read_profile(first))
    wait_for_answer(world, spawn(world, second, Coherence.leased), 0.0, 0.2)
    finish(world, spawn(world, first, world.edit_profile))
    world.servers[1].answers_s = repeat(0.2)
    spawn(world, second, world.read_profile)


def wait_for_answer(world: World, task: Task, *answers_s: float) -> Task:
    """Run `task` until it waits for a delayed answer of server 0."""
    world.servers[0].answers_s = iter(answers_s)
    while task.wake_ns is None:
        world.scheduler.step()
    world.scheduler._last = None
    return task


def finish(world: World, task: Task) -> None:
    while task in world.scheduler.tasks:
        world.scheduler.step()


def count_orders(scene: Scene, switches: int = 1) -> tuple[int, str | None]:
    """The number of orders of thread steps played up to the first violation, and that violation."""
    running, orders = Running(), 0
    world: World | None = None

    def start(scheduler: Scheduler) -> None:
        nonlocal world
        world = World(scheduler, Mood(), SMALL)
        for _ in range(2):
            world.start_worker()
        scene(world)

    functions = [*map(partial(getattr, Lease), ("current", "_ahead", "_since", "_board", "_fly", "_look", "_install"))]
    functions += [History.record, State.proves, LocalFact.holds, FactCache._accepts]
    with (
        simulated_locks(lambda: running.scheduler, lease, flights, second_chance),
        switching(running.pause, *functions),
    ):
        for _ in running.every_order(start, switches):
            orders += 1
            assert world is not None
            if world.violations:
                return orders, world.violations[0]
    return orders, None


def piece_by_piece(self: Lease, seen: State, found: Finding) -> None:
    """The lease begins before the changes are known."""
    with self._mutex:
        if self.state is seen:
            self.state.start_ns = found.start_ns
            history = History(found.last) if found.entries is None else seen.history
            history.record(found.entries or {})
            self.state = State(history, found.last, found.start_ns)


def state_first(self: Lease, seen: State, found: Finding) -> None:
    """Record the changes found only after the state that includes them is installed."""
    with self._mutex:
        if self.state is seen:
            history = History(found.last) if found.entries is None else seen.history
            self.state = State(history, found.last, found.start_ns)
            history.record(found.entries or {})


def without_mutex(self: Lease, seen: State, found: Finding) -> None:
    """Another look may install its state after the check."""
    if self.state is seen:
        history = History(found.last) if found.entries is None else seen.history
        history.record(found.entries or {})
        self.state = State(history, found.last, found.start_ns)


def whatever_is_installed(self: Lease, seen: State, found: Finding) -> None:
    """Record the changes found before the check that nothing newer was installed."""
    with self._mutex:
        history = History(found.last) if found.entries is None else seen.history
        history.record(found.entries or {})
        if self.state is seen:
            self.state = State(history, found.last, found.start_ns)


def moves_on_before_the_proof(self: LocalFact[Any], state: State) -> bool:
    position, self.position = self.position, state.position
    if position != state.position and not state.proves(self.keys, position):
        self.position = position
        return False
    return self.expires_ns > state.start_ns


def asks_for_the_beginning_first(self: State, keys: tuple[str, ...], position: int) -> bool:
    if not self.history.begin <= position <= self.position:
        return False
    return all(self.history.changes.get(key, 0) <= position for key in keys)


def drops_before_the_beginning_moves(self: History, entries: dict[int, str]) -> None:
    for position in sorted(entries):
        self.changes[entries[position]] = position
        self.changes.move_to_end(entries[position])
    while len(self.changes) > self.limit:
        _, changed = self.changes.popitem(last=False)
        self.begin = max(self.begin, changed)


def any_look_will_do(self: Lease, oldest_ns: int) -> State | None:
    """A request that waits for another's look ignores when that look started."""
    flight, leads = self._board()
    if leads:
        self._fly(flight)
    else:
        flight.wait(lease.JOIN_LIMIT_S)
    return self.state


SCENES = (
    requests_after_logout,
    look_ahead_beside_requests,
    look_beside_request,
    two_looks_at_once,
    late_look_over_edits,
)


@pytest.mark.parametrize("looks", [nullcontext, looks_overlap], ids=["one look", "looks at once"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_no_promise_is_broken_in_any_thread_interleaving(scene: Scene, looks: Mutation) -> None:
    with looks():
        orders, violation = count_orders(scene)
    assert violation is None
    assert orders > 50


@pytest.mark.parametrize(
    ("name", "owner", "mutant", "scene"),
    [
        ("_install", Lease, piece_by_piece, requests_after_logout),
        ("_install", Lease, state_first, requests_after_logout),
        ("_since", Lease, any_look_will_do, two_looks_at_once),
        ("holds", LocalFact, moves_on_before_the_proof, requests_after_logout),
        ("proves", State, asks_for_the_beginning_first, look_beside_request),
        ("record", History, drops_before_the_beginning_moves, look_beside_request),
    ],
)
def test_mutation_of_a_thread_rule_is_found(name: str, owner: type, mutant: Any, scene: Scene) -> None:
    with patch.object(owner, name, mutant):
        assert count_orders(scene)[1]


@pytest.mark.parametrize(
    ("mutant", "scene"), [(without_mutex, two_looks_at_once), (whatever_is_installed, late_look_over_edits)]
)
def test_mutation_of_a_rule_for_overlapping_looks_is_found(mutant: Any, scene: Scene) -> None:
    """Needs overlapping looks: running one look at a time would also prevent these violations."""
    with looks_overlap(), patch.object(Lease, "_install", mutant):
        assert count_orders(scene)[1]
