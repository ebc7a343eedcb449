"""Keeps the files of a pod's PgBouncer up to date with the mounted secrets, reloads it, and detects when it hangs."""

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import psycopg2
from psycopg2 import extensions

from app.config import PoolerSettings
from app.errors import ConfigError
from app.infra.pgbouncer.ini import write_files

log = logging.getLogger(__name__)

LOOK_S, LOGIN_S, ANSWER_S = 2.0, 1.0, 5.0
HUNG = "hung"
"""The file that exists while PgBouncer hangs: a probe needs nothing but a test for it, in any image."""

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
Inputs = tuple[PoolerSettings, tuple[bytes, ...]]


class PgBouncerFiles:
    """`look`, called periodically, writes the files when the settings or a certificate have changed, then sends RELOAD.

    RELOAD resets the pool to the size in the file, the one that PgBouncer starts with; the operator then grants more
    again. New connections to PostgreSQL use the new password; old ones close when their transaction has ended.
    """

    def __init__(self, load: Callable[[], PoolerSettings], connect_query: Callable[[], str], folder: Path) -> None:
        """`connect_query` is called once, and never for a replica."""
        self._load, self._connect_query, self._folder = load, cache(connect_query), folder
        self._written: Inputs | None = None
        self._unread = False

    def write(self) -> None:
        """Write the files for the first time; raises ConfigError. A PgBouncer that already runs is reloaded later."""
        settings = self._load()
        Path(self._folder, HUNG).unlink(missing_ok=True)
        self._write((settings, _certificates(settings)))
        self._unread = _socket(settings).exists()

    def look(self) -> None:
        """Write and reload when something has changed. Invalid input is logged, and the files stay as they are."""
        try:
            settings = self._load()
            inputs = settings, _certificates(settings)
        except ConfigError as error:
            log.error("PgBouncer keeps its present configuration: %s", error)
            return
        if inputs != self._written:
            self._write(inputs)
            self._unread = True
        if self._unread:
            self._unread = not _reload(settings)

    def tell_whether_it_hangs(self) -> None:
        """Create the file `HUNG` while PgBouncer hangs, and remove it otherwise."""
        mark = Path(self._folder, HUNG)
        if self._written is not None and hangs(_socket(self._written[0])):
            log.error("PgBouncer does not answer within %s s", ANSWER_S)
            mark.touch()
        else:
            mark.unlink(missing_ok=True)

    def _write(self, inputs: Inputs) -> None:
        query = "" if inputs[0].pgbouncer_for_replica else self._connect_query()
        write_files(inputs[0], query, self._folder)
        self._written = inputs


def watch(files: PgBouncerFiles) -> NoReturn:
    """Run both tasks forever. The hang check has a thread of its own, because RELOAD blocks when PgBouncer hangs."""
    threading.Thread(target=_again_and_again, args=[files.tell_whether_it_hangs], daemon=True).start()
    _again_and_again(files.look)


def _again_and_again(act: Callable[[], None]) -> NoReturn:
    while True:
        time.sleep(LOOK_S)
        act()


def hangs(path: Path, answer_s: float = ANSWER_S) -> bool:
    """Whether a process listens on the Unix socket but does not answer an SSLRequest within `answer_s`.

    The kernel accepts connections for a process that is stopped, until its queue is full (EAGAIN). A server that is
    absent, or closes the connection, does not hang. https://www.postgresql.org/docs/current/protocol-flow.html
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(answer_s)
        try:
            connection.connect(str(path))
            connection.sendall(_SSL_REQUEST)
            connection.recv(1)
        except (TimeoutError, BlockingIOError):
            return True
        except OSError:
            return False
    return False


def _certificates(settings: PoolerSettings) -> tuple[bytes, ...]:
    paths = [Path(settings.database_tls_ca_file)] if settings.database_tls_ca_file else []
    if settings.pgbouncer_tls_folder:
        paths += [Path(settings.pgbouncer_tls_folder, name) for name in ("tls.crt", "tls.key")]
    try:
        return tuple(path.read_bytes() for path in paths)
    except OSError as error:
        raise ConfigError(str(error)) from error


def _reload(settings: PoolerSettings) -> bool:
    """Send RELOAD as user `pgbouncer`, which PgBouncer admits when the peer of the Unix socket has its own UID."""
    try:
        with closing(_console(settings)) as console:
            console.autocommit = True
            _let_logins_end(console)
            console.cursor().execute("RELOAD")
    except psycopg2.Error as error:
        log.warning("PgBouncer could not be reloaded yet: %s", str(error).strip())
        return False
    log.info("PgBouncer has been told to reload its files")
    return True


def _console(settings: PoolerSettings) -> extensions.connection:
    return psycopg2.connect(
        host=settings.pgbouncer_socket_folder,
        port=settings.pgbouncer_port,
        user="pgbouncer",
        dbname="pgbouncer",
        connect_timeout=2,
    )


def _let_logins_end(console: extensions.connection) -> None:
    """Wait at most LOGIN_S for logins to PostgreSQL to end, and let no new one start.

    A login that RELOAD interrupts fails, and PgBouncer then refuses clients if it has no other connection. Setting the
    pool size to the present number of connections stops new logins; RELOAD restores the size.
    """
    end = time.monotonic() + LOGIN_S
    with console.cursor() as cursor:
        cursor.execute(f"SET default_pool_size = {max(1, len(_servers(cursor)))}")
        while "new" in _servers(cursor) and time.monotonic() < end:
            time.sleep(0.005)


def _servers(cursor: Any) -> list[str]:
    """The state of each connection to PostgreSQL."""
    cursor.execute("SHOW SERVERS")
    state = [column.name for column in cursor.description].index("state")
    return [row[state] for row in cursor.fetchall()]


def _socket(settings: PoolerSettings) -> Path:
    return Path(settings.pgbouncer_socket_folder, f".s.PGSQL.{settings.pgbouncer_port}")
