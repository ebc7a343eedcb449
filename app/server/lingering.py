"""Lingering close for the thread worker: answered connections wait for their client to close, without a thread."""

import contextlib
import selectors
import socket
import time
from collections import deque

LINGER_S = 2.0
DRAINED_MOST = 65_536
CHUNK = 4096


class Lingering:
    """Half-closed connections (RFC 9112, 9.6): the client gets all of the answer and a moment to close.

    gunicorn's own lingering blocks the worker's loop, so that a few clients that do not close can stop it until the
    master kills it. Here the loop's `poller` waits for them instead.
    """

    def __init__(self, poller: selectors.BaseSelector) -> None:
        self._poller = poller
        self._waiting: deque[tuple[float, socket.socket]] = deque()
        self._left: dict[socket.socket, int] = {}

    def add(self, sock: socket.socket) -> None:
        """Shut down our half now; close the socket when the client closes or after LINGER_S."""
        try:
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
            self._poller.register(sock, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError):
            sock.close()
            return
        self._left[sock] = DRAINED_MOST
        self._waiting.append((time.monotonic() + LINGER_S, sock))

    def expire(self) -> None:
        """Close connections that have lingered for LINGER_S; to be called periodically."""
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._close(self._waiting.popleft()[1])

    def _drain(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._left[sock] -= len(data)
        if not data or self._left[sock] <= 0:
            self._close(sock)

    def _close(self, sock: socket.socket) -> None:
        if self._left.pop(sock, None) is not None:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self._poller.unregister(sock)
            sock.close()
