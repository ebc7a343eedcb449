"""One psycopg2 connection in autocommit mode, as kept in the pool."""

import select
import time
from typing import Any

import psycopg2
from psycopg2.extensions import (
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
    connection,
    make_dsn,
    parse_dsn,
)

from app.errors import ConfigError
from app.infra.cooperative import first_to_connect, query_timeout
from app.infra.postgres.statements import REFUSE_STANDBY

CONNECT_TIMEOUT_S = 3.0

_OPEN_TRANSACTION = (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR)

# libpq ignores these for a Unix socket.
_NETWORK: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}


class Link:
    """A connection with the one cursor that all its queries use."""

    __slots__ = ("_poll", "connection", "cursor", "idle_since")

    def __init__(self, opened: connection) -> None:
        self.connection = opened
        self.cursor = opened.cursor()
        self.idle_since = time.monotonic()
        self._poll = select.poll()
        self._poll.register(opened.fileno(), select.POLLIN)

    def usable(self) -> bool:
        """Whether nothing can be read: on an idle connection the server sends data only when it closes it."""
        return not self._poll.poll(0)

    def ready(self) -> bool:
        """Whether the connection is ready for another query, after one has failed."""
        return not self.connection.closed and self.connection.info.transaction_status == TRANSACTION_STATUS_IDLE

    def in_transaction(self) -> bool:
        """Whether a transaction is open (failed or not) and no query is running."""
        return not self.connection.closed and self.connection.info.transaction_status in _OPEN_TRANSACTION

    def close(self) -> None:
        """Close the connection, even while a query is running."""
        try:
            self.connection.close()
        except psycopg2.Error:
            return


class Connector:
    """Opens links to `dsn`, a libpq connection string or URL; resolving a host name does not block other requests.

    `direct` means that `dsn` is PostgreSQL without PgBouncer: standbys are then refused here instead of by PgBouncer.
    """

    def __init__(self, dsn: str, *, direct: bool = False) -> None:
        """Raise ConfigError for an invalid `dsn`, without showing it: it may contain a password."""
        self._direct = direct
        try:
            self._given = parse_dsn(dsn)
            self._dsn = make_dsn(**{**_NETWORK, **self._given})
            several = any("," in str(self._given.get(name, "")) for name in ("host", "hostaddr"))
            self._lookup = None if several else _name_to_resolve(self._given)
        except (psycopg2.ProgrammingError, ValueError) as error:
            raise ConfigError("a database URL is not a connection string that libpq understands") from error
        if several:
            raise ConfigError("a database URL names several hosts; it must name only one, the primary")

    @property
    def database(self) -> str:
        return str(self._given.get("dbname", ""))

    def open(self) -> Link:
        """Connect; raises psycopg2.Error or OSError (TimeoutError, socket.gaierror)."""
        if self._lookup is None:
            return self._connect(None, CONNECT_TIMEOUT_S)
        return first_to_connect(*self._lookup, CONNECT_TIMEOUT_S, self._connect, (OSError, psycopg2.OperationalError))

    def _connect(self, address: str | None, timeout_s: float) -> Link:
        with query_timeout(timeout_s):
            opened = psycopg2.connect(self._dsn if address is None else make_dsn(self._dsn, hostaddr=address))
            try:
                opened.autocommit = True
                link = Link(opened)
                if self._direct:
                    link.cursor.execute(REFUSE_STANDBY)
            except BaseException:
                opened.close()
                raise
        return link


def _name_to_resolve(given: dict[str, Any]) -> tuple[str, int] | None:
    """(host, port) when a host name must be resolved; None for a Unix socket or when `hostaddr` is given."""
    host = str(given.get("host", ""))
    if not host or "/" in host or "hostaddr" in given:
        return None
    return host, int(given.get("port", 5432))
