"""The whole service with a replica behind a PgBouncer of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count

import psycopg2
import pytest

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.main import preparation
from tests.api_client import Api, Person
from tests.integration.coherence.workers import eventually
from tests.integration.replicas.servers import Site, new_user
from tests.service import Service
from tests.sql import ask as ask_database

POOL = 8


@pytest.fixture(scope="module")
def pooler_of_replica(servers: Site) -> Iterator[PgBouncer]:
    with PgBouncer(servers.first, pool_size=POOL) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def person(
    servers: Site, cache: Memcached, pooler_of_replica: PgBouncer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    with PgBouncer(servers.primary, [preparation().connect_query], pool_size=POOL) as pooler:
        variables = {
            "WORKERS": "1",
            "DATABASE_URL": pooler.url,
            "DATABASE_REPLICA_URLS": pooler_of_replica.url,
            "PGBOUNCER_CONSOLE_URL": pooler.console_url,
            "MEMCACHED_SERVERS": cache.address,
        }
        with Service(tmp_path_factory.mktemp("service"), variables) as running:
            yield Api(running.url, lambda sql, given: ask_database(servers.primary.direct_url, sql, given)).person()


def metric(person: Person, name: str) -> float:
    """The sum of all series."""
    lines = person.api.root("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"jobfinder_{name}"))


def replicas_are(person: Person, status: str) -> bool:
    return bool(person.api.get("health").json()["checks"]["replicas"]["status"] == status)


def test_profiles_and_searches_come_from_the_replica(person: Person, servers: Site) -> None:
    """The primary answers until the worker has learnt where in its WAL it is, about a second after its start."""
    eventually(lambda: replicas_are(person, "up"))
    words = (f"nurse{number}" for number in count())

    def profile() -> None:
        user = new_user(servers.url)
        servers.first.catch_up()
        assert person.api.get(f"users/{user}", person.token).json()["name"] == "Ada"

    def search() -> None:
        assert person.api.get(f"jobs?q={next(words)}").json()["items"] == []

    for ask in (profile, search):
        eventually(lambda ask=ask: adds_a_read(person, ask))  # type: ignore[misc]
    assert metric(person, "replica_failures_total") == 0
    assert metric(person, "replica_used") == 1


def adds_a_read(person: Person, ask: Callable[[], None]) -> bool:
    """Whether the replica has answered `ask`."""
    before = metric(person, "replica_reads_total")
    ask()
    return metric(person, "replica_reads_total") == before + 1


@contextmanager
def flooded(pooler: PgBouncer) -> Iterator[None]:
    """Others hold every connection of the pool, in transactions that do not end."""
    with ExitStack() as held:
        for _ in range(POOL):
            connection = held.enter_context(closing(psycopg2.connect(pooler.url)))
            connection.cursor().execute("SELECT 1")
        yield


def test_flooded_replica_harms_no_request(person: Person, servers: Site, pooler_of_replica: PgBouncer) -> None:
    eventually(lambda: replicas_are(person, "up"))
    users = [new_user(servers.url) for _ in range(5)]
    with flooded(pooler_of_replica):
        found = [person.api.get(f"users/{user}", person.token).json()["id"] for user in users]
        assert found == users
        assert person.api.get("jobs?q=flood").json()["items"] == []
        eventually(lambda: replicas_are(person, "down"))
        assert metric(person, "replica_used") == 0
    eventually(lambda: replicas_are(person, "up"))


def test_stopped_replica_harms_no_request(person: Person, servers: Site) -> None:
    """It keeps its connections and answers nothing, as a machine that hangs."""
    eventually(lambda: replicas_are(person, "up"))
    users = [new_user(servers.url) for _ in range(5)]
    servers.first.pause()
    try:
        found = [person.api.get(f"users/{user}", person.token).json()["id"] for user in users]
        assert found == users
        eventually(lambda: replicas_are(person, "down"))
        assert metric(person, "replica_used") == 0
        assert person.api.get("health").json()["status"] == "degraded"
    finally:
        servers.first.resume()
    eventually(lambda: replicas_are(person, "up"))
