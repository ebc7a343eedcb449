"""How each side waits for PostgreSQL and memcached, configured as its documentation recommends."""

import importlib
import socket
from collections.abc import Callable
from typing import Any

import psycopg2.extensions
from psycopg2.extensions import POLL_OK, POLL_READ, connection

WAIT_S = 10

SocketModule = Any
Wait = Callable[[int], None]


def ours() -> SocketModule:
    """The worker has already installed psycopg2's wait callback."""
    from app.infra import cooperative  # noqa: PLC0415 - only this side may import it

    return cooperative.socket_module


def published() -> SocketModule:
    """A psycopg2 wait callback that uses `trampoline`, and meinheld's own socket module."""
    server = importlib.import_module("meinheld.server")
    _wait_with(
        lambda fd: server.trampoline(fd, read=True, timeout=WAIT_S),
        lambda fd: server.trampoline(fd, write=True, timeout=WAIT_S),
    )
    return importlib.import_module("meinheld.msocket")


def gthread() -> SocketModule:
    """Threads block, so no wait callback is needed."""
    return socket


def gevent() -> SocketModule:
    """gunicorn's worker has patched the standard library; psycopg2 also needs a wait callback."""
    patched = importlib.import_module("gevent.socket")
    _wait_with(patched.wait_read, patched.wait_write)
    return socket


def _wait_with(wait_readable: Wait, wait_writable: Wait) -> None:
    """Install a wait callback, as in psycopg2's documentation ("Support for coroutine libraries")."""

    def wait(waiting: connection) -> None:
        while (state := waiting.poll()) != POLL_OK:
            (wait_readable if state == POLL_READ else wait_writable)(waiting.fileno())

    psycopg2.extensions.set_wait_callback(wait)
