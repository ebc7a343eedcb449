"""The outbox in PostgreSQL, and publishing the changes left in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.coherence import Coherence, session_key, user_key
from app.coherence.log.change_log import TICKET
from app.coherence.publisher import Publisher
from app.coherence.store import Outbox
from app.config import Caches, DatabaseTuning
from app.infra.memcache.client import Memcache
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from tests.counters import Counts
from tests.integration.coherence.workers import KINDS, TIMEOUT_MS, eventually

INSERT = "INSERT INTO outbox (key, created_at) SELECT %s, now() - make_interval(secs => %s) RETURNING id"


@pytest.fixture
def postgresql(database: Any) -> Iterator[Database]:
    made = Database(database.url, DatabaseTuning())
    yield made
    made.run("DELETE FROM outbox")
    made.close()


def insert(database: Database, key: str, age_seconds: float) -> int:
    row = database.one(INSERT, key, age_seconds)
    assert row is not None
    return int(row[0])


def rows(database: Database) -> list[tuple[Any, ...]]:
    return database.all("SELECT key FROM outbox ORDER BY id")


def test_old_rows_are_listed_oldest_first(postgresql: Database) -> None:
    first, second = (insert(postgresql, user_key(number), 10) for number in (1, 2))
    insert(postgresql, user_key(3), 1)
    outbox = Outbox(postgresql)
    assert outbox.older_than(3, 10, TICKET) == [(first, "user:1"), (second, "user:2")]
    assert outbox.older_than(3, 1, TICKET) == [(first, "user:1")]


def test_deleting_missing_rows_succeeds(postgresql: Database) -> None:
    row = insert(postgresql, user_key(1), 10)
    Outbox(postgresql).delete([row, row + 1000], TICKET)
    Outbox(postgresql).delete([row], TICKET)
    assert rows(postgresql) == []


def test_draining_publishes_changes_to_other_workers(postgresql: Database, memcached: tuple[Memcached, ...]) -> None:
    counters: Any = Counts()
    servers = tuple(server.address for server in memcached)
    first, second = (Coherence(Memcache(servers, TIMEOUT_MS), postgresql, counters, Caches(), KINDS) for _ in range(2))
    eventually(second.leased)
    position = second.position()
    assert position is not None
    insert(postgresql, session_key(7), 10)
    first.drain()
    assert rows(postgresql) == []
    eventually(second.leased)
    assert not second.usable((session_key(7),), position)


def test_long_outbox_is_drained_completely(postgresql: Database, memcached: tuple[Memcached, ...]) -> None:
    postgresql.run(
        "INSERT INTO outbox (key, created_at) SELECT 'user:' || n, now() - interval '1 minute'"
        " FROM generate_series(1, 25000) n"
    )
    counters: Any = Counts()
    memcache = Memcache(tuple(server.address for server in memcached), TIMEOUT_MS)
    Coherence(memcache, postgresql, counters, Caches(), KINDS).drain()
    assert rows(postgresql) == []
    assert counters["outbox_drained"] == 25_000


def test_two_workers_can_drain_the_same_rows(postgresql: Database, memcached: tuple[Memcached, ...]) -> None:
    counters: Any = Counts()
    memcache = Memcache(tuple(server.address for server in memcached), TIMEOUT_MS)
    both = [Coherence(memcache, postgresql, counters, Caches(), KINDS) for _ in range(2)]
    publishers: list[Publisher] = [each._publisher for each in both]
    insert(postgresql, user_key(1), 10)
    seen = publishers[0]._outbox.older_than(3, 10, TICKET)
    both[1].drain()
    change_log = both[0].agreement.log
    assert change_log is not None
    publishers[0]._publish(seen, change_log)
    publishers[0]._outbox.delete([row_id for row_id, _ in seen], TICKET)
    assert rows(postgresql) == []


def test_a_writer_deletes_the_rows_of_its_own_transaction(postgresql: Database) -> None:
    insert(postgresql, user_key(1), 0)
    with postgresql.transaction() as transaction:
        transaction.run("INSERT INTO outbox (key) VALUES ('user:2'), ('session:3')")
        row = transaction.one("SELECT pg_current_xact_id()::text")
    assert row is not None
    Outbox(postgresql).delete_of(row[0], TICKET)
    assert rows(postgresql) == [("user:1",)]
