"""Classifies driver errors: the database is unavailable, a constraint is violated, or the SQL has a bug."""

import logging
import threading
import time
from typing import NoReturn

import psycopg2
from psycopg2 import errorcodes

from app.errors import Conflict, Unavailable
from app.infra.cooperative.pool import PoolTimeout

log = logging.getLogger(__name__)

FAILURES = (psycopg2.Error, OSError, PoolTimeout)
QUIET_SECONDS = 5.0

_OUTAGES = (
    "08",  # connection exception; PgBouncer says 08P01 for everything that it refuses
    "25006",  # read-only transaction: a standby that was the primary
    "28",  # role or password refused
    "3D",  # no such database
    "40",  # serialization failure, deadlock
    "53",  # too many connections, out of memory or disk
    "55P03",  # lock_timeout
    "57",  # statement_timeout, shut down by the administrator, starting up
    "58",  # input or output error
)
_LOST = ("08", "57P01", "57P02", "57P03")
_UNPREPARED = (errorcodes.INVALID_SQL_STATEMENT_NAME, errorcodes.FEATURE_NOT_SUPPORTED)


def fail(error: Exception) -> NoReturn:
    """Raise the product error for `error`, or `error` itself if it is a bug in our SQL."""
    if isinstance(error, PoolTimeout):
        raise _unavailable(error, "no database connection became free in time") from error
    if isinstance(error, OSError) or (isinstance(error, psycopg2.Error) and _outage(error)):
        raise _unavailable(error, "the database does not answer") from error
    if isinstance(error, psycopg2.IntegrityError):
        raise Conflict("the request conflicts with stored data") from error
    raise error


def connection_lost(error: psycopg2.Error) -> bool:
    """Whether the connection was lost before the server answered, so that a retry on another one may succeed."""
    return _outage(error) and (error.pgcode is None or error.pgcode.startswith(_LOST))


def _outage(error: psycopg2.Error) -> bool:
    if error.pgcode is not None:
        return error.pgcode.startswith(_OUTAGES)
    return not isinstance(error, psycopg2.ProgrammingError | psycopg2.DataError | psycopg2.NotSupportedError)


def unprepared(error: psycopg2.Error) -> bool:
    """Whether EXECUTE failed because the prepared statement is missing, or stale after a schema change."""
    return error.pgcode in _UNPREPARED


class _Complaints:
    """Logs outages, at most one line in `QUIET_SECONDS`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0
        self._suppressed = 0

    def add(self, error: Exception, summary: str) -> None:
        with self._lock:
            if time.monotonic() < self._next:
                self._suppressed += 1
                return
            self._next, suppressed = time.monotonic() + QUIET_SECONDS, self._suppressed
            self._suppressed = 0
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        log.warning("%s: %s", summary, reason, extra={"suppressed": suppressed})


_complaints = _Complaints()


def _unavailable(error: Exception, summary: str) -> Unavailable:
    _complaints.add(error, summary)
    return Unavailable(summary)
