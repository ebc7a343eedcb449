"""A small HTTP/1.1 client over one keep-alive connection, with little overhead and non-blocking use."""

import json
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LIMIT_S = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_LAST = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)


def encoded(method: str, path: str, token: str = "", body: object = None, headers: Sequence[str] = ()) -> bytes:
    """The bytes of a request; `body` is sent as JSON, `headers` are whole lines."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if token:
        head.append(f"Authorization: Bearer {token}")
    content = b"" if body is None else json.dumps(body).encode()
    if content:
        head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*head, "", ""]).encode() + content


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `seconds` from the first byte sent to the last byte received."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A connection that is opened on first use, and again after the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._received = b""

    def fileno(self) -> int:
        return self._opened().fileno()

    def send(self, request: bytes) -> None:
        """Send a request, reconnecting first if the server has closed the connection; raises OSError."""
        if self._socket is not None and _ended(self._socket):
            self.close()
        self._received = b""
        self._opened().sendall(request)

    def receive(self) -> tuple[int, bytes] | None:
        """Read once, blocking; returns (status, body) if the response is complete, else None. Raises OSError."""
        chunk = self._opened().recv(262_144)
        if not chunk:
            self.close()
            raise ConnectionError("the server closed the connection before the response was complete")
        self._received += chunk
        return self._parsed()

    def exchange(self, request: bytes) -> Answer:
        """Send the request and wait for the response; raises OSError."""
        started = time.perf_counter()
        self.send(request)
        while (found := self.receive()) is None:
            pass
        return Answer(*found, time.perf_counter() - started)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), LIMIT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _parsed(self) -> tuple[int, bytes] | None:
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = _LENGTH.search(head)
        if length and len(body) < int(length[1]):
            return None
        if _LAST.search(head):
            self.close()
        return int(head[9:12]), body


def _ended(connection: socket.socket) -> bool:
    """Whether the peer has closed an idle connection."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(LIMIT_S)
