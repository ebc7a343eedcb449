"""Small scenes that run in every order: one worker ends a session that the other has cached."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice, repeat

from app.coherence import Coherence
from tests.unit.coherence.model.scheduler import BoundedPolicy, Scheduler, following, in_turn
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.world import FAST, SLOW, SMALL, Mood, World

Scene = Callable[[World], None]


def play_every_order(scene: Scene, switches: int, workers: int = 2) -> Iterator[World]:
    """Yield one finished world for each order of the tasks of `scene` with at most `switches` preemptions."""
    script: list[int] | None = []
    while script is not None:
        policy = BoundedPolicy(script, switches)
        world = World(Scheduler(policy), Mood(rate=rates(scene)), SMALL)
        for _ in range(workers):
            prepare(world, world.start_worker().agreement.ask)
        scene(world)
        while world.scheduler.step():
            pass
        prepare(world, *(partial(world.check_session, worker) for worker in world.workers))
        yield world
        script = following(policy)


def rates(scene: Scene) -> Callable[[], float]:
    """Clock rates: where they matter, the worker that ends the session has a fast clock and the other a slow one."""
    return cycle((FAST, SLOW) if scene is request_right_after_logout else (1.0,)).__next__


def prepare(world: World, *runs: Callable[[], object]) -> None:
    """Run each of `runs` alone and in this order, before the scene."""
    scheduler, policy = world.scheduler, world.scheduler._policy
    scheduler._policy = BoundedPolicy([], 0)
    for run in runs:
        scheduler.spawn(run)
        while scheduler.step():
            pass
    scheduler._policy, scheduler._last = policy, None


def later(world: World, seconds: float, run: Callable[[Coherence], object]) -> Callable[[Coherence], None]:
    def wait_and_run(worker: Coherence) -> None:
        world.scheduler.sleep(seconds)
        run(worker)

    return wait_and_run


def ask_twice(world: World, worker: Coherence) -> None:
    world.check_session(worker)
    world.scheduler.sleep(0.03)
    world.check_session(worker)


def logout_beside_requests(world: World) -> None:
    """One worker ends the session while the other, which has cached it, checks it before and after."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(second))
    spawn(world, first, world.log_out)
    spawn(world, second, partial(ask_twice, world))


def logout_beside_two_requests(world: World) -> None:
    """Two requests of the worker that does not know of the logout miss the session at the same time."""
    first, second = world.workers
    spawn(world, first, world.log_out)
    for _ in range(2):
        spawn(world, second, world.check_session)


def logout_beside_restart(world: World) -> None:
    """Server 0 restarts at any moment of the logout and of the requests."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(second), lambda: world.change_something_else(first))
    spawn(world, first, world.log_out)
    spawn(world, second, partial(ask_twice, world))
    world.scheduler.spawn(in_turn(world.scheduler.pause, world.servers[0].restart))


def logout_beside_shared_fact(world: World) -> None:
    """The other worker looked before the fact was stored, and finds it in the shared cache only."""
    first, second = world.workers
    prepare(world, lambda: world.read_profile(second), lambda: world.check_session(first))
    spawn(world, first, world.log_out)
    for _ in range(2):
        spawn(world, second, world.check_session)


def logout_after_restart(world: World) -> None:
    """As many changes after a restart as before it: a counter that began again would repeat its positions."""
    first, second = world.workers
    prepare(world, lambda: world.change_something_else(first), lambda: world.check_session(second))
    world.servers[0].restart()
    world.scheduler.spawn(in_turn(lambda: world.log_out(first), lambda: world.check_session(second)))


def requests_after_logout(world: World) -> None:
    """Two concurrent requests, one of which makes the look."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(second), lambda: world.log_out(first))
    for _ in range(2):
        spawn(world, second, world.check_session)


def slow_query_over_logout(world: World) -> None:
    """A query that began before the logout is answered after it, while another request waits for its result."""
    first, second = world.workers
    prepare(world, lambda: world.read_profile(second))
    world.database.answer_s = 0.2
    spawn(world, second, world.check_session)
    spawn(world, first, later(world, 0.01, world.log_out))
    spawn(world, second, later(world, 0.12, world.check_session))


def late_look_over_logout(world: World) -> None:
    """The answer to a new worker's first look arrives after a later look, while a request reads the shared cache."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(first))
    world.servers[0].answers_s = iter((0.0, 0.2))
    world.servers[1].answers_s = repeat(0.1)
    spawn(world, second, world.read_profile)
    spawn(world, first, later(world, 0.01, world.log_out))
    spawn(world, second, later(world, 0.12, world.check_session))


def request_right_after_logout(world: World) -> None:
    """The other worker looked just before the publication, and gets a request as soon as the logout is answered."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(first), lambda: world.check_session(second))
    world.scheduler.spawn(in_turn(lambda: world.log_out(first), lambda: world.check_session(second)))
    spawn(world, second, world.check_session)


def changes_after_logout(world: World) -> None:
    """More changes than the history can hold come after the logout."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(second), lambda: world.log_out(first))
    spawn(world, first, world.change_something_else)
    spawn(world, second, partial(ask_twice, world))


def logout_beside_gap(world: World) -> None:
    """Another writer takes a number and dies before it writes the entry."""
    first, second = world.workers
    prepare(world, lambda: world.check_session(second))
    spawn(world, first, world.log_out)
    spawn(world, second, partial(ask_twice, world))
    assert first.agreement.log is not None
    world.scheduler.spawn(partial(first.agreement.log.take, 1))


def rename_beside_requests(world: World) -> None:
    """One worker renames a company, a change of two keys, that the other has cached and reads before and after."""
    first, second = world.workers
    prepare(world, lambda: world.read_company(second))
    spawn(world, first, world.rename_company)
    for read in (world.read_company, later(world, 0.03, world.read_company)):
        spawn(world, second, read)


def opening_beside_searches(world: World) -> None:
    """One worker opens a posting while the other, which keeps the empty result of a search, repeats the search."""
    first, second = world.workers
    prepare(world, lambda: world.search(second))
    spawn(world, first, world.open_posting)
    spawn(world, second, later(world, 0.03, world.search))


def closing_beside_searches(world: World) -> None:
    """The same with a posting that is closed and was found, by a result that is in both caches."""
    first, second = world.workers
    prepare(world, lambda: world.open_posting(first), lambda: world.search(first), lambda: world.search(second))
    spawn(world, first, world.close_posting)
    spawn(world, second, later(world, 0.03, world.search))


def closing_beside_stale_searches(world: World) -> None:
    """The same with searches that may use results of any age."""
    first, second = world.workers
    prepare(world, lambda: world.open_posting(first), lambda: world.search_stale(second))
    spawn(world, first, world.close_posting)
    spawn(world, second, later(world, 0.03, world.search_stale))


SCENES = (
    closing_beside_stale_searches,
    opening_beside_searches,
    closing_beside_searches,
    rename_beside_requests,
    logout_beside_requests,
    logout_beside_two_requests,
    logout_beside_shared_fact,
    logout_beside_restart,
    logout_after_restart,
    logout_beside_gap,
    requests_after_logout,
    slow_query_over_logout,
    late_look_over_logout,
    request_right_after_logout,
    changes_after_logout,
)


def count_orders(scene: Scene, switches: int, most: int | None = None) -> tuple[int, str | None]:
    """The number of orders played, at most `most`, up to the first violation, and that violation."""
    orders = 0
    for world in islice(play_every_order(scene, switches), most):
        orders += 1
        if world.violations:
            return orders, world.violations[0]
    return orders, None
