"""Random runs of the model: traffic, a logout, edits, postings that open and close, and mishaps."""

import random
from collections.abc import Callable
from functools import partial

from app.coherence import Coherence
from app.coherence.log.store import NO_LOG
from app.config import Caches
from tests.unit.coherence.model.scheduler import RandomPolicy, Scheduler, Task, in_turn
from tests.unit.coherence.model.server import SimAnswers, check_session
from tests.unit.coherence.model.world import FAST, FATES, SLOW, SMALL, Mood, World


def play_randomly(seed: int, *, keeping: bool = False) -> World:
    """Two or three workers, a logout, edits, requests all the time, and up to three mishaps.

    In some runs one worker has no log or another one, and the log of the database is changed. With `keeping` the
    servers of the first workers keep answers; such runs are longer, as only what a worker has in memory is kept.
    """
    steps = 2000 if keeping else 260
    policy = RandomPolicy(seed)
    rng = policy.random
    scheduler = Scheduler(policy)
    unreliable = rng.random() < 0.5
    spread = rng.randrange(3)
    mood = Mood(
        fate=lambda: rng.choice(FATES) if unreliable and rng.random() < 0.13 else FATES[0],
        slowness=lambda: rng.randrange(5),
        place=lambda servers: rng.randrange(servers) if spread == 2 else spread,
        rate=lambda: rng.choice((FAST, 1.0, SLOW)),
    )
    world = World(scheduler, mood, Caches(SMALL.user, SMALL.blacklist, lease_ms=rng.choice((0, 20, 50, 50))))
    check = partial(check_session, world)
    for _ in range(rng.choice((2, 2, 3))):
        worker = world.start_worker()
        if keeping:
            worker.keep_answers(SimAnswers(worker))
        spawn(world, worker, check)
    if rng.random() < 0.4:
        world.start_worker(servers=rng.choice(((), (1, 0))))
    starts = schedule(rng, world, steps)
    for number in range(steps):
        for start in starts.get(number, ()):
            start()
        if rng.random() < 0.13:
            others = (world.read_profile, world.read_batch, world.read_company, world.search, world.search_stale)
            request = rng.choice((check, check, *others))
            spawn(world, rng.choice(world.workers), request)
        scheduler.step()
    scheduler.close()
    return world


def schedule(rng: random.Random, world: World, steps: int) -> dict[int, list[Callable[[], object]]]:
    """The writes and mishaps that begin at each step."""
    starts: dict[int, list[Callable[[], object]]] = {}

    def at(first: int, last: int, start: Callable[[], object]) -> None:
        starts.setdefault(rng.randrange(first, last), []).append(start)

    def write(run: Callable[[Coherence], None]) -> Callable[[], object]:
        return lambda: spawn(world, rng.choice(world.workers), run)

    at(20, steps // 2, write(rng.choice((world.log_out, world.log_out, world.log_out_everywhere))))
    for _ in range(rng.randrange(3)):
        at(20, steps // 2, write(rng.choice((world.edit_profile, world.rename_company))))
        at(0, steps // 2, write(rng.choice((world.open_posting, world.open_posting, world.close_posting))))
    for _ in range(rng.randrange(4)):
        at(0, steps // 2, write(world.change_something_else))
        at(0, steps, write(Coherence.drain))
    for _ in range(rng.randrange(4)):
        at(20, steps * 2 // 3, rng.choice(mishaps(rng, world)))
    if len({worker.agreement.own for worker in world.workers}) > 1:
        for _ in range(rng.randrange(3)):
            to = rng.choice((NO_LOG, *(each.name for each in world.servers)))
            at(0, steps // 2, lambda to=to: world.scheduler.spawn(lambda: world.change_log(to)))  # type: ignore[misc]
        for _ in range(8):
            at(0, steps, write(Coherence.drain))
    return starts


def mishaps(rng: random.Random, world: World) -> list[Callable[[], object]]:
    server = world.servers[0]

    def outage() -> None:
        server.down = True
        world.scheduler.spawn(in_turn(lambda: world.scheduler.sleep(0.1), lambda: setattr(server, "down", False)))

    def replace_worker() -> None:
        worker = rng.choice(world.workers)
        world.workers.remove(worker)
        world.scheduler.bury(worker)
        world.start_worker()

    def kill_request() -> None:
        tasks = [task for task in world.scheduler.tasks if task.owner is not None]
        if tasks:
            world.scheduler.kill(rng.choice(tasks))

    def lose_something() -> None:
        if server.data:
            del server.data[rng.choice(sorted(server.data))]

    return [
        server.restart,
        server.restart,
        world.servers[1].restart,
        outage,
        replace_worker,
        kill_request,
        lose_something,
    ]


def spawn(world: World, worker: Coherence, run: Callable[[Coherence], object]) -> Task:
    return world.scheduler.spawn(lambda: run(worker), worker)


def violations_of(seeds: range, *, keeping: bool = False) -> list[tuple[int, str]]:
    """(seed, first violation) of every run that has one."""
    worlds = ((seed, play_randomly(seed, keeping=keeping)) for seed in seeds)
    return [(seed, world.violations[0]) for seed, world in worlds if world.violations]
