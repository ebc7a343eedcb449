"""Run many actors until enough operations are recorded, optionally with faults."""

import threading
from collections.abc import Callable, Mapping

from tests.integration.finality.harness.actors import Actor
from tests.integration.finality.harness.people import Journal, Person, Sql, World
from tests.pods.connections import Connection, Connections

PEOPLE = 24
ACTORS = 32


def populate(pod: str, port: int, people: int = PEOPLE, host: str = "127.0.0.1", sql: Sql | None = None) -> World:
    """New accounts, each with two sessions."""
    connection, journal = Connection(pod, port, host=host), Journal()
    registered = [Person.register(connection, journal) for _ in range(people)]
    world = World([each for each in registered if each is not None], journal, sql=sql)
    for person in world.people:
        world.every += [each for each in (person.log_in(connection, journal) for _ in range(2)) if each]
    connection.close()
    assert len(world.every) == 2 * people, journal.operations
    return world


def drive(
    world: World,
    ports: Mapping[str, int],
    operations: int,
    workers: int = 2,
    meanwhile: Callable[[threading.Event], None] | None = None,
    actors: int = ACTORS,
    connect: Callable[[], Connections] | None = None,
) -> None:
    """Record at least `operations`, and continue until `meanwhile(enough)` returns; raises an actor's error.

    `connect` makes the connections of each actor; the default is one port per pod.
    """
    enough, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def act(seed: int) -> None:
        connections = connect() if connect else Connections(dict(ports), workers)
        actor = Actor(world, connections, seed)
        try:
            while not over.is_set():
                actor.act()
                if len(world.journal) >= operations:
                    enough.set()
                    if meanwhile is None:
                        over.set()
        except BaseException as error:
            failures.append(error)
            enough.set()
            over.set()
        finally:
            connections.close()

    threads = [threading.Thread(target=act, args=(seed,), name=f"actor-{seed}") for seed in range(actors)]
    for each in threads:
        each.start()
    try:
        if meanwhile is not None:
            meanwhile(enough)
    finally:
        if meanwhile is not None:
            over.set()
        for each in threads:
            each.join()
    if failures:
        raise failures[0]
