"""Scenes and random runs in which facts are read on replicas that lag, restart and see a promotion; their mutations."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from app.coherence import Coherence, user_key
from app.coherence.facts import fact_cache
from app.coherence.facts.fact_cache import FactCache
from app.coherence.facts.replicas import Replayed, ReplicaReads
from app.coherence.log.history import Position
from app.coherence.log.replay import Marks
from app.config import Caches, CacheTuning
from app.errors import Unavailable
from app.infra.postgres import replica as places
from app.infra.postgres.replica import FIND_PLACE, Place, Primary, Replica, reading
from tests.unit.coherence.model.scenes import later, prepare
from tests.unit.coherence.model.scheduler import RandomPolicy, Scheduler, in_turn
from tests.unit.coherence.model.traffic import spawn
from tests.unit.coherence.model.wal import SimReplica
from tests.unit.coherence.model.world import FATES, Mood, World


def equip(world: World, worker: Coherence, *replicas: SimReplica) -> None:
    """Let the worker read facts on `replicas`; they are asked from the next `watch` on."""
    database: Any = world.database
    servers: Sequence[Any] = replicas
    worker.use_replicas([Replica(f"replica {number}", each) for number, each in enumerate(servers)], Primary(database))


def watch(worker: Coherence) -> None:
    assert worker.replicas is not None
    worker.replicas.watch()


def served(worker: Coherence) -> int:
    """How many reads of the worker a replica has answered."""
    counters: Any = worker._counters
    return int(counters.get("replica_reads:1", 0) + counters.get("replica_reads:2", 0))


def _one_replica(world: World) -> SimReplica:
    """Both workers use a replica that has replayed everything, and worker 2 has looked at the log."""
    replica = SimReplica(world.scheduler, world.database.wal)
    first, second = world.workers
    for each in (first, second):
        equip(world, each, replica)
    prepare(
        world,
        lambda: world.change_something_else(first),
        lambda: world.check_session(second),
        lambda: watch(second),
        replica.catch_up,
        replica.write_down,
        lambda: watch(second),
    )
    return replica


def edit_beside_lagging_replica(world: World) -> None:
    """One worker edits a profile while the other reads it, before and after, on a replica that replays nothing."""
    _one_replica(world)
    first, second = world.workers
    spawn(world, first, world.edit_profile)
    for read in (world.read_profile, later(world, 0.03, world.read_profile), later(world, 0.08, world.read_batch)):
        spawn(world, second, read)


def edit_beside_replay(world: World) -> None:
    """The replica replays the edit at any moment of a read."""
    replica = _one_replica(world)
    first, second = world.workers
    prepare(world, lambda: world.edit_profile(first))
    spawn(world, second, world.read_profile)
    world.scheduler.spawn(in_turn(world.scheduler.pause, replica.replay))


def read_beside_restart(world: World) -> None:
    """The replica restarts at any moment of a read, and has then replayed less than before."""
    replica = _one_replica(world)
    first, second = world.workers
    prepare(world, lambda: world.edit_profile(first), replica.catch_up)
    spawn(world, second, world.read_profile)
    world.scheduler.spawn(in_turn(world.scheduler.pause, replica.restart))


def edit_after_promotion(world: World) -> None:
    """A replica that still follows the former primary has replayed more WAL of it than the present one has written."""
    replica = _one_replica(world)
    first, second = world.workers
    wal = world.database.wal
    prepare(
        world,
        *[wal.write_without_commit] * 9,
        lambda: replica.replay(9),
        wal.promote,
        lambda: watch(first),
        lambda: watch(second),
    )
    spawn(world, first, world.edit_profile)
    for seconds in (0.03, 0.08):
        spawn(world, second, later(world, seconds, in_turn_of(watch, world.read_profile)))


def edit_without_place(world: World) -> None:
    """A worker of the former version edits the profile; others publish changes with places around it."""
    replica = _one_replica(world)
    first, second = world.workers
    plain = world.start_worker()
    world.workers.remove(plain)
    spawn(world, plain, in_turn_of(lambda _: world.change_something_else(first), world.edit_profile))
    spawn(world, second, later(world, 0.2, world.read_profile))
    world.scheduler.spawn(in_turn(world.scheduler.pause, replica.replay))


def edit_beside_new_history(world: World) -> None:
    """The log was lost; while the reader's new history gets its first mark, the profile is edited."""
    _one_replica(world)
    first, second = world.workers
    world.servers[0].restart()
    spawn(world, second, in_turn_of(Coherence.leased, watch))
    spawn(world, first, later(world, 0.02, world.edit_profile))
    spawn(world, second, later(world, 0.12, world.read_profile))


def edit_and_rename_in_another_order(world: World) -> None:
    """The edit commits first and hears late of its place, so that the renaming is published before it."""
    replica = _one_replica(world)
    first, second = world.workers
    third = world.start_worker()
    world.workers.remove(third)
    equip(world, third, replica)
    prepare(world, third.agreement.ask)
    spawn(world, first, world.edit_profile)
    world.database.places_s = iter((0.02,))
    spawn(world, third, later(world, 0.01, world.rename_company))
    world.scheduler.spawn(in_turn(partial(world.scheduler.sleep, 0.07), replica.replay))
    spawn(world, second, later(world, 0.1, world.read_company))


def new_account_beside_lagging_replica(world: World) -> None:
    """An account is created, which publishes nothing, and read at once."""
    world.database.version = world.least_version = 0
    world.database.wal.write()
    _one_replica(world)
    first, second = world.workers

    def register(_: Coherence) -> None:
        world.database.commit(lambda: setattr(world.database, "version", 1), user_key(3))
        world.least_version = 1
        world.read_profile(second)

    spawn(world, first, register)
    spawn(world, second, world.change_something_else)


def edit_without_lease(world: World) -> None:
    """The log cannot be read any more after an edit that the reader has not heard of."""
    _one_replica(world)
    first, second = world.workers
    world.scheduler.spawn(in_turn(lambda: world.edit_profile(first), lambda: setattr(world.servers[0], "down", True)))
    for seconds in (0.07, 0.2):
        spawn(world, second, later(world, seconds, world.read_batch))


def in_turn_of(*runs: Callable[[Coherence], object]) -> Callable[[Coherence], None]:
    def run(worker: Coherence) -> None:
        for each in runs:
            each(worker)

    return run


def play_randomly(seed: int, steps: int = 500) -> World:
    """Two workers and up to two replicas that replay at random, restart, are down and see a promotion."""
    policy = RandomPolicy(seed)
    rng = policy.random
    scheduler = Scheduler(policy)
    unreliable = rng.random() < 0.3
    mood = Mood(
        fate=lambda: rng.choice(FATES) if unreliable and rng.random() < 0.08 else FATES[0],
        slowness=lambda: rng.randrange(3),
    )
    caches = CacheTuning(10, rng.choice((0, 3600)))
    world = World(scheduler, mood, Caches(caches, caches, company=caches, job=caches))
    wal, replicas = world.database.wal, [SimReplica(scheduler, world.database.wal) for _ in range(rng.choice((1, 2)))]
    for _ in range(2):
        equip(world, world.start_worker(), *replicas)
    if rng.random() < 0.2:
        world.start_worker()  # of the former version
    watched = [each for each in world.workers if each.replicas is not None]
    runs = [partial(_watch_if_possible, each) for each in watched]
    prepare(world, *runs, *[each.catch_up for each in replicas], *runs)
    writes = (world.edit_profile, world.edit_profile, world.rename_company, world.open_posting, world.close_posting)
    reads = (world.read_profile, world.read_batch, world.read_company, world.search)
    for _ in range(steps):
        chance = rng.random()
        if chance < 0.022:
            spawn(world, rng.choice(world.workers), rng.choice(writes))
        elif chance < 0.12:
            spawn(world, rng.choice(world.workers), rng.choice(reads))
        elif chance < 0.135:
            spawn(world, rng.choice(watched), _watch_if_possible)
        elif chance < 0.14:
            rng.choice((wal.promote, world.servers[0].restart, world.servers[1].restart))()
        elif chance < 0.15:
            wal.write_without_commit()
        _disturb(rng.choice(replicas), rng.random())
        scheduler.step()
    scheduler.close()
    return world


def _watch_if_possible(worker: Coherence) -> None:
    worker.leased()
    with suppress(Unavailable):
        watch(worker)


def _disturb(replica: SimReplica, chance: float) -> None:
    if chance < 0.015:
        replica.replay()
    elif chance < 0.017:
        replica.catch_up()
    elif chance < 0.02:
        replica.restart()
    elif chance < 0.022:
        replica.down = not replica.down
    elif chance < 0.04:
        replica.write_down()


def violations_of(seeds: range) -> list[tuple[int, str]]:
    """(seed, first violation) of every run that has one."""
    worlds = ((seed, play_randomly(seed)) for seed in seeds)
    return [(seed, world.violations[0]) for seed, world in worlds if world.violations]


def what_replicas_show_is_believed() -> Any:
    return patch.object(Replayed, "proves", lambda self, keys: True)


def the_place_is_read_after_the_value() -> Any:
    def read(self: Replica, read: Callable[[], Any]) -> tuple[Place, Any]:
        def both() -> tuple[Place, Any]:
            value, transaction = read(), reading.get()
            assert transaction is not None
            return places._replayed(transaction), value

        return _read(self, both)[1]

    return patch.object(Replica, "read", read)


def the_place_is_read_in_another_transaction() -> Any:
    def read(self: Replica, read: Callable[[], Any]) -> tuple[Place, Any]:
        place = _read(self, lambda: None)[0]
        return place, _read(self, read)[1]

    return patch.object(Replica, "read", read)


def places_of_all_lines_compare() -> Any:
    def position_at(self: Marks, place: Place) -> Position | None:
        return _position_at(self, Place(self.line, place.lsn))

    return patch.object(Marks, "position_at", position_at)


def the_present_line_is_not_checked() -> Any:
    def place(self: Primary) -> Place | None:
        _, written, lsn = self._database.one(FIND_PLACE) or ("", "", 0)
        return Place(written, int(lsn)) if written else _place(self)

    return patch.object(Primary, "place", place)


def changes_without_a_place_are_skipped() -> Any:
    def follow(self: Marks, last: Position, found: Mapping[Position, Place], changes: int) -> None:
        present = {last: Place(self.line, max([each.lsn for each in found.values()], default=0))}
        _follow(self, last, present, 1)

    return patch.object(Marks, "follow", follow)


def places_are_taken_before_the_commit() -> Any:
    def place(self: Primary) -> Place | None:
        found = _place(self)
        database: Any = self._database
        return found and Place(found.line, database.wal.before_commit)

    return patch.object(Primary, "place", place)


def a_new_history_is_marked_with_an_earlier_place() -> Any:
    def careless(self: ReplicaReads) -> None:
        place = self._primary.place()
        self._clock.sleep(0.09)
        state = self._lease.renewed()
        if place is not None and state is not None:
            self._lease.anchor(state, place)
        for each in self.standings:
            each.asked = True

    return patch.object(ReplicaReads, "watch", careless)


def changes_are_taken_to_be_in_the_order_of_commits() -> Any:
    def follow(self: Marks, last: Position, found: Mapping[Position, Place], changes: int) -> None:
        if self.wanting or last not in found:
            _follow(self, last, found, changes)
        else:
            self._known[1].append((found[last].lsn, last))

    def position_at(self: Marks, place: Place) -> Position | None:
        line, marks = self._known
        return max((at for lsn, at in marks if lsn <= place.lsn), default=None) if line == place.line else None

    return patch.multiple(Marks, follow=follow, position_at=position_at)


def what_is_not_there_is_believed() -> Any:
    return patch.object(fact_cache, "_one_of", lambda read, keys: {keys[0]: read(keys[0])})


def no_lease_is_needed_for_replicas() -> Any:
    def careless(self: FactCache[Any], keys: Any, read: Any, replicas: Any) -> Any:
        current, self._current = self._current, lambda: self._lease.state
        try:
            return _from_replica(self, keys, read, replicas)
        finally:
            self._current = current

    return patch.object(FactCache, "_from_replica", careless)


_read, _place, _follow = Replica.read, Primary.place, Marks.follow
_position_at, _from_replica = Marks.position_at, FactCache._from_replica

SCENES = (
    edit_beside_lagging_replica,
    edit_beside_replay,
    read_beside_restart,
    edit_after_promotion,
    edit_without_place,
    edit_beside_new_history,
    edit_and_rename_in_another_order,
    new_account_beside_lagging_replica,
    edit_without_lease,
)
Mutation = Callable[[], AbstractContextManager[Any]]
RULES: dict[Mutation, Callable[[World], None]] = {
    what_replicas_show_is_believed: edit_beside_lagging_replica,
    the_place_is_read_after_the_value: edit_beside_replay,
    the_place_is_read_in_another_transaction: read_beside_restart,
    places_of_all_lines_compare: edit_after_promotion,
    the_present_line_is_not_checked: edit_after_promotion,
    changes_without_a_place_are_skipped: edit_without_place,
    places_are_taken_before_the_commit: edit_beside_lagging_replica,
    a_new_history_is_marked_with_an_earlier_place: edit_beside_new_history,
    changes_are_taken_to_be_in_the_order_of_commits: edit_and_rename_in_another_order,
    what_is_not_there_is_believed: new_account_beside_lagging_replica,
    no_lease_is_needed_for_replicas: edit_without_lease,
}
