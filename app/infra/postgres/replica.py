"""Reads on a replica, together with the place in the WAL that it had replayed before; and the primary's present place.

LSNs compare within one line only: one primary, from one promotion to the next. The line of the primary stands in a
table, so that a replica whose copy of that row is the same has replayed WAL of that line.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar

import psycopg2

from app.errors import Unavailable
from app.infra.cooperative import query_timeout
from app.infra.cooperative.pool import PoolTimeout

R = TypeVar("R")
REPLICA_TIMEOUT_S = 2.0

# READ COMMITTED: with another level the query after it would see what was there before the place was read.
FIND_REPLAYED = """
SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SELECT pg_is_in_recovery(), (SELECT line FROM wal_line), (pg_last_wal_replay_lsn() - '0/0')::text
"""

_OWN_LINE = "(SELECT system_identifier FROM pg_control_system()) || ':' || substr(pg_walfile_name(lsn), 1, 8)"

FIND_PLACE = f"""
SELECT {_OWN_LINE}, (SELECT line FROM wal_line), (lsn - '0/0')::text FROM pg_current_wal_insert_lsn() AS lsn
"""

SET_LINE = "UPDATE wal_line SET line = %s WHERE line <> %s"


class Place(NamedTuple):
    """A place in the WAL; `lsn` is in bytes and compares with those of the same `line`."""

    line: str
    lsn: int


class ReplicaFailed(Exception):
    """A read on a replica failed; `away` says that the replica is not there, or is no replica."""

    def __init__(self, reason: str, *, away: bool) -> None:
        super().__init__(reason)
        self.away = away


class Reading(Protocol):
    """The methods of `Transaction` that are used for reads."""

    def one(self, statement: Any, *params: Any) -> tuple[Any, ...] | None: ...
    def all(self, statement: Any, *params: Any) -> list[tuple[Any, ...]]: ...


class Transactions(Protocol):
    """The method of `Database` that is used for a replica."""

    def transaction(self) -> AbstractContextManager[Any]: ...


class Queries(Protocol):
    """The methods of `Database` that are used for the primary."""

    def one(self, statement: Any, *params: Any) -> tuple[Any, ...] | None: ...
    def run(self, statement: Any, *params: Any) -> int: ...


reading: ContextVar[Reading | None] = ContextVar("reading", default=None)
"""The transaction on a replica that this request reads from; None: from the primary."""
_began: ContextVar[float | None] = ContextVar("began", default=None)


def asked_since() -> float:
    """The time at or before which now() of the next query is, in seconds since 1970 by this machine's clock.

    In a transaction, now() is the time at which it began.
    """
    return time.time() if reading.get() is None else _began.get() or 0.0


class Replica:
    """One server; several behind one name would make the LSN that is replayed go back."""

    def __init__(self, name: str, database: Transactions) -> None:
        self.name, self._database = name, database

    def read(self, read: Callable[[], R]) -> tuple[Place, R]:
        """What `read` returns, which sees all that was replayed up to the place. Raises ReplicaFailed.

        One transaction, so that the server cannot restart between the two and then have replayed less.
        """
        try:
            with self._database.transaction() as transaction, query_timeout(REPLICA_TIMEOUT_S):
                _began.set(time.time())
                place = _replayed(transaction)
                token = reading.set(transaction)
                try:
                    return place, read()
                finally:
                    reading.reset(token)
        except Unavailable as error:
            raise ReplicaFailed(error.detail, away=not _busy(error.__cause__)) from error
        except psycopg2.Error as error:  # a table that is not there yet, for example
            raise ReplicaFailed(str(error), away=False) from error

    def replayed(self) -> Place:
        """The place that is replayed now. Raises ReplicaFailed."""
        return self.read(lambda: None)[0]


class Primary:
    """Tells where in the WAL the primary is."""

    def __init__(self, database: Queries) -> None:
        self._database = database

    def place(self) -> Place | None:
        """A place behind everything that was committed before the call; None without one. Raises Unavailable.

        After a promotion, or with another server, there is none until the line has been written down.
        """
        row = self._database.one(FIND_PLACE)
        if row is None:
            return None
        own, written, lsn = row
        if own != written:
            self._database.run(SET_LINE, own, own)
            return None
        return Place(own, int(lsn))


def from_primary(read: Callable[[], R]) -> R:
    """What `read` returns from the primary, also inside of a read on a replica."""
    token = reading.set(None)
    try:
        return read()
    finally:
        reading.reset(token)


def _replayed(transaction: Reading) -> Place:
    row = transaction.one(FIND_REPLAYED)
    in_recovery, line, lsn = row or (False, "", None)
    if not in_recovery or lsn is None:
        raise ReplicaFailed("the server is no replica", away=True)
    return Place(line, int(lsn))


def _busy(cause: BaseException | None) -> bool:
    """Whether the replica is there: this query had to make way for what is replayed, or no connection was free."""
    code = getattr(cause, "pgcode", None) or ""
    return isinstance(cause, PoolTimeout) or code.startswith("40")
