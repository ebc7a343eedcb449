"""The checker catches a service that omits one step of the coherence protocol.

Random operations show some defects only by chance: an unpublished change by SQL becomes visible anyway when a worker
starts a new history or reads the log again after 4 s without it, and both happen on a busy machine. So each round that
did not show the defect also plays the affected operations alone, without other load.

The database and the memcached servers are not those of the other tests, whose pods would publish what this service
leaves in the outbox.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from app.local.programs import has_meinheld
from tests.integration.finality.harness.actors import BY_HAND, Actor
from tests.integration.finality.harness.load import drive, populate
from tests.integration.finality.harness.people import Person, Session, World
from tests.integration.finality.harness.rules import violations
from tests.pods.connections import Connections
from tests.pods.database import execute
from tests.pods.fixtures import own_database
from tests.pods.pod import KINDS, Pod, Shared, wait_for

ROUND, ROUNDS = 1000, 10
WORKERS = 2
SCENES = 5

ACCEPTED = "an ended session was accepted"
STALE = "a profile older than an acknowledged change was read"
BROKEN = {
    "answers before the leases have ended": ("app.coherence.publisher.Publisher._wait = lambda self: None", {ACCEPTED}),
    "never publishes": (
        "app.coherence.publisher.Publisher.final = lambda self, keys, xid, security: None",
        {ACCEPTED, STALE},
    ),
    "never drains": ("app.coherence.publisher.Publisher.drain = lambda self: 0", {ACCEPTED}),
    "uses cached facts despite changes": (
        "app.coherence.log.history.State.proves = lambda self, keys, position: True",
        {ACCEPTED, STALE},
    ),
}
if has_meinheld():
    LOOKED = "lambda self, position, keys, *times: looked(self, position, [], *times)"
    FORGETS_NOTHING = (
        f"from app.server.answers import ServerAnswers as kept; looked = kept.looked; kept.looked = {LOOKED}"
    )
    BROKEN["keeps answers despite changes"] = (FORGETS_NOTHING, {ACCEPTED, STALE})
SERVE_BROKEN = "import sys, app.coherence, app.__main__; {}; sys.exit(app.__main__.main(['serve']))"


@pytest.fixture(scope="module")
def shared(postgres: Postgres, migrated: str, open_folder: Path) -> Iterator[Shared]:
    with own_database(postgres, migrated, open_folder) as shared:
        yield shared


@pytest.fixture(scope="module")
def cache_servers() -> Iterator[list[Memcached]]:
    with Memcached() as first, Memcached() as second:
        yield [first, second]


@pytest.mark.parametrize("defect", BROKEN)
def test_service_with_a_defect_is_caught(defect: str, shared: Shared, cache_servers: list[Memcached]) -> None:
    code, signs = BROKEN[defect]
    serve = (sys.executable, "-c", SERVE_BROKEN.format(code))
    with Pod("broken", shared, cache_servers, kind=KINDS[0], workers=WORKERS, serve=serve) as pod:
        world = populate(pod.name, pod.port, sql=partial(execute, shared))
        for _ in range(ROUNDS):
            drive(world, {pod.name: pod.port}, len(world.journal) + ROUND)
            if signs <= found(world):
                return
            play(world, pod)
            if signs <= found(world):
                return
    assert signs <= found(world)


def found(world: World) -> set[str]:
    """The rules that the service has violated so far."""
    return {each.rule for each in violations(world.journal.operations)}


def play(world: World, pod: Pod) -> None:
    """Edits, logouts and ends by SQL, each followed by requests to every worker, without other load."""
    connections = Connections({pod.name: pod.port}, WORKERS)
    wait_for(lambda: len(connections.all()) == WORKERS, "a connection to every worker")
    actor = Actor(world, connections, seed=0)
    staying = opened(world, connections)
    for _ in range(SCENES):
        for each in connections.all():
            actor.edit(staying.person, staying, each)
            ask_everywhere(actor, staying, connections)
        leaving = opened(world, connections)
        actor.log_out(leaving.person, leaving)
    for kind in BY_HAND:
        leaving = opened(world, connections)
        actor.end_by_sql(leaving.person, leaving, kind)

    def tried() -> bool:
        """Whether every end by SQL was due and tried; the requests also keep every worker reading the log."""
        ask_everywhere(actor, staying, connections)
        actor.try_ended(staying.person, staying)
        return not world.unheard

    wait_for(tried, "what SQL has ended is tried")
    connections.close()


def opened(world: World, connections: Connections) -> Session:
    """A session of a new account."""
    person = Person.register(connections.all()[0], world.journal)
    assert person is not None
    session = person.log_in(connections.all()[0], world.journal)
    assert session is not None
    return session


def ask_everywhere(actor: Actor, session: Session, connections: Connections) -> None:
    """Read the session's profile on every worker, which makes each read the log."""
    for each in connections.all():
        actor.read(session.person, session, each)
