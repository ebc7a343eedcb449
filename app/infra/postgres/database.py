"""Queries over a bounded pool of connections to PgBouncer in transaction mode: no session state, no extra BEGIN."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from operator import attrgetter
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg2
from psycopg2.extensions import cursor

from app.config import DatabaseTuning
from app.errors import Unavailable
from app.infra.cooperative import query_timeout
from app.infra.cooperative.pool import Pool, PoolStats
from app.infra.postgres.connection import Connector, Link
from app.infra.postgres.errors import FAILURES, connection_lost, fail, unprepared
from app.infra.postgres.statements import Statement
from app.infra.relying import refuse

__all__ = ["Database", "PoolStats", "Statement", "Transaction"]

T = TypeVar("T")
Row = tuple[Any, ...]
Take = Callable[[cursor], T]

QUERY_TIMEOUT_S = 8.0
LEAST_QUERY_TIMEOUT_S = 1.0
PING_TIMEOUT_S = 2.0
REPEAT_WITHIN_S = 1.0
UNPREPARED_SECONDS = 60.0

_one: Take[Row | None] = cursor.fetchone
_all: Take[list[Row]] = cursor.fetchall
_count: Take[int] = attrgetter("rowcount")


def _records(answered: cursor) -> list[dict[str, Any]]:
    names = [column.name for column in answered.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answered.fetchall()]


class Transaction:
    """Statements of one transaction, never sent as EXECUTE: a missing prepared statement would abort it."""

    def __init__(self, link: Link) -> None:
        self._link, self._cursor = link, link.cursor
        self._begun = False

    def one(self, statement: Statement | str, *params: Any) -> Row | None:
        """The first row, or None."""
        self._ask(statement, params)
        return _one(self._cursor)

    def all(self, statement: Statement | str, *params: Any) -> list[Row]:
        """Every row."""
        self._ask(statement, params)
        return _all(self._cursor)

    def run(self, statement: Statement | str, *params: Any) -> int:
        """The number of rows changed."""
        self._ask(statement, params)
        return _count(self._cursor)

    def copy(self, statement: str, rows: bytes) -> None:
        """Run a COPY from STDIN with `rows` in its text format; not where waits are cooperative."""
        if not self._begun:
            self._begun = True
            self._cursor.execute("BEGIN")
        self._cursor.copy_expert(statement, BytesIO(rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or roll back after an Exception. A killed caller cannot wait; closing the connection rolls back."""
        if not self._begun:
            return
        if kind is None:
            self._cursor.execute("COMMIT")
            if self._cursor.statusmessage != "COMMIT":
                raise Unavailable("the transaction was rolled back")
        elif issubclass(kind, Exception) and self._link.in_transaction():
            self._cursor.execute("ROLLBACK")

    def _ask(self, statement: Statement | str, params: Row) -> None:
        """Send the statement; the first one is sent together with BEGIN, which saves a round trip."""
        begin = "" if self._begun else "BEGIN; "
        self._begun = True
        if isinstance(statement, Statement):
            self._cursor.execute(begin + statement.plain, statement.named(params))
        else:
            self._cursor.execute(begin + statement, params or None)


class Database:
    """`dsn` is a libpq connection string or URL.

    Each statement is a `Statement` or text with `%s` parameters. Every method raises `errors.Unavailable` when the
    database does not answer in time, and `errors.Conflict` when a constraint is violated; errors in the SQL itself stay
    psycopg2's. A read is retried once when its connection was lost, a write never.
    """

    def __init__(self, dsn: str, tuning: DatabaseTuning, *, prepared: bool = True, direct: bool = False) -> None:
        """`direct` means that no PgBouncer is in front; standbys are then refused here."""
        self._connector = Connector(dsn, direct=direct)
        self._pool: Pool[Link] = Pool(self._connector.open, tuning.pool_max)
        self._tuning = tuning
        self._acquire_timeout_s = tuning.acquire_timeout_ms / 1000
        self._prepared = prepared
        self._unprepared_until: dict[str, float] = {}
        self._ping = "SHOW VERSION" if self._connector.database == "pgbouncer" else "SELECT 1"

    def apply(self, tuning: DatabaseTuning) -> None:
        """Apply new bounds at once; running queries are not interrupted."""
        self._tuning = tuning
        self._acquire_timeout_s = tuning.acquire_timeout_ms / 1000
        self._pool.resize(tuning.pool_max)

    def one(self, statement: Statement | str, *params: Any) -> Row | None:
        """The first row, or None."""
        return self._answer(statement, params, _one)

    def all(self, statement: Statement | str, *params: Any) -> list[Row]:
        """Every row."""
        return self._answer(statement, params, _all)

    def run(self, statement: Statement | str, *params: Any) -> int:
        """The number of rows changed."""
        return self._answer(statement, params, _count)

    def records(self, statement: str) -> list[dict[str, Any]]:
        """Every row as a dictionary, for results whose columns differ between versions."""
        return self._answer(statement, (), _records)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit at the end of the block, roll back when it raises."""
        refuse()
        started = time.monotonic()
        try:
            link = self._pool.acquire(self._acquire_timeout_s)
            with _Kept(self._pool, link), query_timeout(_left_s(started)), Transaction(link) as transaction:
                yield transaction
        except FAILURES as error:
            fail(error)

    def ping(self, timeout_s: float = PING_TIMEOUT_S) -> float:
        """Duration of the smallest query in ms, including the wait for a connection; raises Unavailable."""
        started = time.monotonic()
        try:
            link = self._pool.acquire(timeout_s)
            with _Kept(self._pool, link), query_timeout(timeout_s):
                link.cursor.execute(self._ping)
        except FAILURES as error:
            fail(error)
        return (time.monotonic() - started) * 1000

    def prune(self) -> None:
        """Close connections that have exceeded the idle timeout, down to `pool_min`."""
        self._pool.prune(self._tuning.idle_timeout_seconds, self._tuning.pool_min)

    def stats(self) -> PoolStats:
        """The state of the connection pool."""
        return self._pool.stats()

    def show(self, gauge: Callable[[str, float], None]) -> None:
        """Set this worker's gauges of the connection pool."""
        pool = self._pool.stats()
        gauge("database_connections_in_use", pool.in_use)
        gauge("database_connections_idle", pool.idle)
        gauge("database_waiting", pool.waiting)
        gauge("database_waited_seconds", pool.waited_ms_total / 1000)
        gauge("database_timeouts", pool.timeouts)

    def close(self) -> None:
        """Close every connection; those in use when their query is done."""
        self._pool.close()

    def _answer(self, statement: Statement | str, params: Row, take: Take[T]) -> T:
        refuse()
        started = time.monotonic()
        try:
            try:
                return self._attempt(started, statement, params, take)
            except psycopg2.Error as error:
                late = time.monotonic() - started > REPEAT_WITHIN_S
                if late or take is _count or not connection_lost(error) or not _repeatable(statement):
                    raise
            self._pool.clear()  # what ended this connection has most likely ended the idle ones too
            return self._attempt(started, statement, params, take)
        except FAILURES as error:
            fail(error)

    def _attempt(self, started: float, statement: Statement | str, params: Row, take: Take[T]) -> T:
        link = self._pool.acquire(self._acquire_timeout_s)
        with _Kept(self._pool, link), query_timeout(_left_s(started)):
            self._ask(link.cursor, statement, params)
            return take(link.cursor)

    def _ask(self, on: cursor, statement: Statement | str, params: Row) -> None:
        if isinstance(statement, str):
            on.execute(statement, params or None)
        elif not self._prepared or self._unprepared_until.get(statement.name, 0.0) > time.monotonic():
            on.execute(statement.plain, statement.named(params))
        else:
            try:
                on.execute(statement.execute, params or None)
            except psycopg2.Error as error:
                if not unprepared(error):
                    raise
                self._unprepared_until[statement.name] = time.monotonic() + UNPREPARED_SECONDS
                on.execute(statement.plain, statement.named(params))


class _Kept:
    """Returns a connection to the pool, or closes it if an error has left a query or transaction unfinished."""

    __slots__ = ("_link", "_pool")

    def __init__(self, pool: Pool[Link], link: Link) -> None:
        self._pool, self._link = pool, link

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or self._link.ready():
            self._pool.release(self._link)
        else:
            self._pool.discard(self._link)


def _left_s(started: float) -> float:
    """Timeout of a query whose caller has been waiting since `started`."""
    return max(QUERY_TIMEOUT_S - (time.monotonic() - started), LEAST_QUERY_TIMEOUT_S)


def _repeatable(statement: Statement | str) -> bool:
    if isinstance(statement, Statement):
        return statement.readonly
    return statement.lstrip()[:6].upper() == "SELECT" and "FOR UPDATE" not in statement.upper()
