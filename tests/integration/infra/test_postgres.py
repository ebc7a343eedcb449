"""Queries through a real PgBouncer: results, prepared statements, retries and translated errors."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import psycopg2
import psycopg2.extensions
import pytest

from app.config import DatabaseTuning
from app.errors import ConfigError, Conflict, Unavailable
from app.infra import cooperative
from app.infra.postgres import database as database_module
from app.infra.postgres.database import Database, Statement
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres

ADD = Statement("add", ("int", "int"), "SELECT $1 + $2, '100%'", readonly=True)
SLOW = Statement("slow", ("float8",), "SELECT pg_sleep($1), 'awake'", readonly=True)
EVERYTHING = Statement("everything", (), "SELECT * FROM changing", readonly=True)
NOTE = Statement("note", ("text",), "INSERT INTO outbox (key) SELECT $1 FROM pg_sleep(0.5)")
NOTES = "SELECT count(*) FROM outbox WHERE key = %s"
TUNING = DatabaseTuning(pool_min=1, pool_max=4, acquire_timeout_ms=5000)

Until = Callable[[Callable[[], object]], None]


class LocalDatabase(Protocol):
    name: str
    url: str
    direct_url: str


class Outage:
    """Ends the sessions of a database from a connection of its own."""

    def __init__(self, direct_url: str) -> None:
        callback = psycopg2.extensions.get_wait_callback()
        psycopg2.extensions.set_wait_callback(None)
        self._connection = psycopg2.connect(direct_url)
        psycopg2.extensions.set_wait_callback(callback)
        self._connection.autocommit = True

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def running(self, text: str) -> bool:
        return bool(
            self.ask(f"SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{text}%' AND {OTHERS}")
        )

    def end_sessions(self) -> None:
        self.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}")

    def close(self) -> None:
        self._connection.close()


OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def pooler(postgres: Postgres, database: LocalDatabase) -> Iterator[PgBouncer]:
    """A PgBouncer that tests may stop, with one server connection on which ADD and SLOW are prepared."""
    with PgBouncer(postgres, [ADD.prepare, SLOW.prepare], pool_size=1) as server:
        yield server


@pytest.fixture
def db(pooler: PgBouncer, database: LocalDatabase) -> Iterator[Database]:
    made = Database(pooler.url_of(database.name), TUNING)
    yield made
    made.close()


@pytest.fixture
def outage(database: LocalDatabase) -> Iterator[Outage]:
    made = Outage(database.direct_url)
    yield made
    made.close()


def test_one_all_and_run_return_rows_and_counts(db: Database) -> None:
    assert db.one("SELECT 1, NULL, %s::text", "x") == (1, None, "x")
    assert db.one("SELECT 1 WHERE false") is None
    assert db.all("SELECT n FROM generate_series(1, %s) AS n", 3) == [(1,), (2,), (3,)]
    assert db.run("INSERT INTO outbox (key) SELECT %s FROM generate_series(1, 5)", "counted") == 5


def test_a_prepared_statement_is_executed_without_being_parsed_again(db: Database) -> None:
    used = "SELECT sum(generic_plans + custom_plans) FROM pg_prepared_statements WHERE name = %s"
    (before,) = db.one(used, ADD.server_name) or (0,)
    assert [db.one(ADD, n, -1) for n in range(3)] == [(-1, "100%"), (0, "100%"), (1, "100%")]
    assert db.one(used, ADD.server_name) == (before + 3,)


def test_unprepared_statement_runs(database: LocalDatabase) -> None:
    db = Database(database.direct_url, TUNING)
    assert [db.one(ADD, 2, 3) for _ in range(2)] == [(5, "100%"), (5, "100%")]
    db.close()


def test_stale_prepared_statement_runs(postgres: Postgres, database: LocalDatabase) -> None:
    with PgBouncer(postgres, [EVERYTHING.prepare], pool_size=1) as pooler:
        direct = Database(database.direct_url, TUNING)
        direct.run("CREATE TABLE changing AS SELECT 1 AS a")
        db = Database(pooler.url_of(database.name), TUNING)
        assert db.one(EVERYTHING) == (1,)
        direct.run("ALTER TABLE changing ADD COLUMN b text DEFAULT 'new'")
        assert db.one(EVERYTHING) == (1, "new")
        direct.run("DROP TABLE changing")
        db.close()
        direct.close()


def test_without_preparation_the_same_statement_runs_plain(pooler: PgBouncer, database: LocalDatabase) -> None:
    db = Database(pooler.url_of(database.name), TUNING, prepared=False)
    assert db.one(ADD, 2, None) == (None, "100%")
    db.close()


def test_sql_mistake_raises_the_driver_error_and_keeps_the_connection(db: Database) -> None:
    for _ in range(10):
        with pytest.raises(psycopg2.errors.UndefinedColumn):
            db.one("SELECT nothing_such")
    assert (db.stats().in_use, db.stats().idle) == (0, 1)


def test_a_violated_constraint_is_a_conflict(db: Database) -> None:
    insert = "INSERT INTO users (email, password_hash, name) VALUES (%s, %s, 'x')"
    db.run(insert, "twin@example.com", b"\0")
    with pytest.raises(Conflict):
        db.run(insert, "TWIN@example.com", b"\0")


class TestTransaction:
    """`Database.transaction`."""

    def test_commits_at_its_end(self, db: Database) -> None:
        with db.transaction() as transaction:
            assert transaction.run("INSERT INTO outbox (key) VALUES (%s)", "committed") == 1
            assert transaction.one(NOTES, "committed") == (1,)
            assert transaction.all(ADD, 1, 2) == [(3, "100%")]
        assert db.one(NOTES, "committed") == (1,)

    def test_rolls_back_when_its_block_raises(self, db: Database) -> None:
        with pytest.raises(KeyError), db.transaction() as transaction:
            transaction.run("INSERT INTO outbox (key) VALUES ('abandoned')")
            raise KeyError
        assert db.one(NOTES, "abandoned") == (0,)
        assert db.stats().idle == 1

    def test_raises_after_a_swallowed_statement_error(self, db: Database) -> None:
        with pytest.raises(Unavailable), db.transaction() as transaction:
            transaction.run("INSERT INTO outbox (key) VALUES ('swallowed')")
            with pytest.raises(psycopg2.errors.DivisionByZero):
                transaction.one("SELECT 1 / 0")
        assert db.one(NOTES, "swallowed") == (0,)
        assert db.stats().idle == 1

    def test_without_statements_has_no_effect(self, db: Database) -> None:
        with db.transaction():
            pass
        assert db.one(ADD, 1, 1) == (2, "100%")

    def test_raises_unavailable_when_its_session_is_ended(self, db: Database, outage: Outage) -> None:
        with pytest.raises(Unavailable), db.transaction() as transaction:
            transaction.run("INSERT INTO outbox (key) VALUES ('lost')")
            outage.end_sessions()
            transaction.one(ADD, 1, 1)
        assert db.one(NOTES, "lost") == (0,)

    def test_rolls_back_when_its_greenlet_is_killed(self, db: Database) -> None:
        class Killed(BaseException):
            pass

        with pytest.raises(Killed), db.transaction() as transaction:
            transaction.run("INSERT INTO outbox (key) VALUES ('killed')")
            raise Killed
        assert db.one(NOTES, "killed") == (0,)


def test_reads_and_writes_succeed_after_a_pooler_restart(db: Database, pooler: PgBouncer) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: db.one(SLOW, 0.02), range(8)))
    pooler.restart()
    assert db.run("INSERT INTO outbox (key) VALUES ('after')") == 1
    with ThreadPoolExecutor(4) as threads:
        assert {row and row[1] for row in threads.map(lambda _: db.one(SLOW, 0.02), range(8))} == {"awake"}


def test_read_is_retried_when_its_session_is_ended(db: Database, outage: Outage, until: Until) -> None:
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(db.one, SLOW, 0.6)
        until(lambda: outage.running("EXECUTE slow"))
        outage.end_sessions()
        row = reading.result(15)
    assert row is not None
    assert row[1] == "awake"


def test_write_is_not_retried_when_its_session_is_ended(db: Database, outage: Outage, until: Until) -> None:
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(db.run, NOTE, "once")
        until(lambda: outage.running("INSERT INTO outbox"))
        outage.end_sessions()
        with pytest.raises(Unavailable):
            writing.result(15)
    assert db.one(NOTES, "once") == (0,)


def test_without_a_pooler_queries_fail_at_once_and_work_again_when_it_is_back(db: Database, pooler: PgBouncer) -> None:
    assert db.one(ADD, 1, 1)
    pooler.stop()
    try:
        for _ in range(10):
            with pytest.raises(Unavailable):
                db.one(ADD, 1, 1)
        assert (db.stats().in_use, db.stats().idle) == (0, 0)
    finally:
        pooler.start()
    assert db.one(ADD, 1, 1) == (2, "100%")


def test_query_timeout_closes_its_connection(
    db: Database, monkeypatch: pytest.MonkeyPatch, outage: Outage, until: Until
) -> None:
    monkeypatch.setattr(database_module, "QUERY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(database_module, "LEAST_QUERY_TIMEOUT_S", 0.1)
    with pytest.raises(Unavailable):
        db.one(SLOW, 30.0)
    assert (db.stats().in_use, db.stats().idle) == (0, 0)
    monkeypatch.undo()
    until(lambda: not outage.running("EXECUTE slow"))
    assert db.one(ADD, 1, 1) == (2, "100%")


def test_connection_is_closed_when_its_caller_is_killed_mid_query(db: Database) -> None:
    class Killed(BaseException):
        pass

    def kill(connection: psycopg2.extensions.connection) -> None:
        connection.poll()
        raise Killed

    assert db.one(ADD, 1, 1)
    psycopg2.extensions.set_wait_callback(kill)
    with pytest.raises(Killed):
        db.one(ADD, 2, 2)
    assert (db.stats().in_use, db.stats().idle) == (0, 0)
    cooperative.install("threads")
    assert db.one(ADD, 3, 3) == (6, "100%")


def test_paused_pooler_is_unavailable_within_the_timeout(
    db: Database, pooler: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert db.ping() > 0
    pooler.pause()
    try:
        with pytest.raises(Unavailable):
            db.ping(0.1)
        monkeypatch.setattr("app.infra.postgres.connection.CONNECT_TIMEOUT_S", 0.1)
        with pytest.raises(Unavailable):
            db.one(ADD, 1, 1)
    finally:
        pooler.resume()
    assert db.one(ADD, 1, 1) == (2, "100%")
    assert db.stats().in_use == 0


def test_exhausted_pool_raises_unavailable_with_retry_after(database: LocalDatabase) -> None:
    db = Database(database.url, DatabaseTuning(pool_min=1, pool_max=1, acquire_timeout_ms=20))
    with db.transaction() as transaction:
        transaction.one(ADD, 1, 1)
        with pytest.raises(Unavailable) as refused:
            db.one(ADD, 1, 1)
        assert refused.value.headers() == {"Retry-After": "1"}
        assert (db.stats().timeouts, db.stats().in_use) == (1, 1)
        db.apply(DatabaseTuning(pool_min=1, pool_max=2, acquire_timeout_ms=5000))
        assert db.one(ADD, 1, 1) == (2, "100%")
    db.close()


def test_pool_never_exceeds_pool_max(db: Database, pooler: PgBouncer, database: LocalDatabase) -> None:
    console = Database(pooler.console_url, DatabaseTuning(pool_min=1, pool_max=1))
    most: list[int] = []

    def work(number: int) -> None:
        db.one(SLOW, 0.005)
        if number % 10 == 0:
            most.append(sum(database.name in row for row in console.all("SHOW CLIENTS")))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(100)))
    console.close()
    assert 0 < max(most) <= TUNING.pool_max
    assert db.stats().in_use == 0


def test_the_console_of_the_pooler_can_be_pinged(pooler: PgBouncer) -> None:
    console = Database(pooler.console_url, DatabaseTuning(pool_min=1, pool_max=1), prepared=False)
    assert console.ping(5.0) > 0
    assert console.stats().idle == 1
    console.close()


def test_idle_connections_are_pruned_down_to_the_minimum(db: Database, until: Until) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: db.one(SLOW, 0.05), range(4)))
    assert db.stats().idle > 1
    db.apply(DatabaseTuning(pool_min=1, pool_max=4, idle_timeout_seconds=1))

    def pruned() -> bool:
        db.prune()
        return db.stats().idle == 1

    until(pruned)


def test_unknown_host_is_unavailable() -> None:
    db = Database("postgresql://nobody@nowhere.invalid/none", TUNING)
    with pytest.raises(Unavailable):
        db.one("SELECT 1")
    assert db.stats().in_use == 0


def test_invalid_url_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as refused:
        Database("postgresql://user:secret@host/db?nonsense=1", TUNING)
    assert "secret" not in str(refused.value)
