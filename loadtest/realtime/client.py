"""`python -m loadtest.realtime.client` holds some of the WebSockets; it reads commands from standard input.

Each line is a JSON object with the arguments of `Holder.open` (if it has a port) or `Holder.listen`; a reply is a line,
too. The clients say nothing after their handshake, and read frames as a server sends them: unmasked, in one piece.
"""

import json
import re
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence

BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of ip(7): the kernel chooses the port on connect, not on bind
WAIT_S = 0.2
LONG_FRAME = 126
_NUMBER = re.compile(rb'"n": ?(\d+)')
_HANDSHAKE = (
    "GET /api/v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer %s\r\n\r\n"
)


class Holder:
    """The connections of this process to one port of 127.0.0.1, from one source address."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}
        self._opening: set[int] = set()

    def open(self, port: int, source: str, tokens: Sequence[str], at_once: int, within_s: float) -> dict[str, float]:
        """A connection for each token; at most `at_once` have not got their `ready` yet. Returns number and seconds."""
        began, left = time.perf_counter(), iter(tokens)
        more = True
        while (more or self._opening) and time.perf_counter() < began + within_s:
            while more and len(self._opening) < at_once:
                token = next(left, None)
                more = token is not None
                if token is not None:
                    self._connect(port, source, token)
            for fd, _ in self._poll.poll(WAIT_S):
                for text in self._received(fd):
                    if b'"type":"ready"' in text:
                        self._opening.discard(fd)
        return {"opened": len(self._sockets) - len(self._opening), "seconds": time.perf_counter() - began}

    def listen(self, expected: int, within_s: float) -> list[tuple[int, float]]:
        """(number, time of arrival by CLOCK_MONOTONIC) of so many events; fewer if they do not come in time."""
        print(json.dumps("listening"), flush=True)
        found: list[tuple[int, float]] = []
        until = time.perf_counter() + within_s
        while len(found) < expected and time.perf_counter() < until:
            for fd, _ in self._poll.poll(WAIT_S):
                now = time.perf_counter()
                found += [(int(n), now) for text in self._received(fd) for n in _NUMBER.findall(text)]
        return found

    def _connect(self, port: int, source: str, token: str) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall((_HANDSHAKE % token).encode())
        sock.setblocking(False)
        fd = sock.fileno()
        self._sockets[fd] = sock
        self._opening.add(fd)
        self._poll.register(fd, select.EPOLLIN)

    def _received(self, fd: int) -> Iterator[bytes]:
        """The texts that have come as a whole; closes the connection if the gateway has."""
        try:
            data = self._sockets[fd].recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._opening.discard(fd)
            self._sockets.pop(fd).close()
            return
        data = self._partial.pop(fd, b"") + data
        if data.startswith(b"HTTP/"):
            head, end, rest = data.partition(b"\r\n\r\n")
            data = rest if end else data
            if not end or not head.startswith(b"HTTP/1.1 101"):
                self._partial[fd] = data
                return
        while frame := _frame(data):
            text, data = frame
            yield text
        if data:
            self._partial[fd] = data


def _frame(data: bytes) -> tuple[bytes, bytes] | None:
    """The first text and the rest (RFC 6455, 5.2), None if it is not complete."""
    start, length = 2, data[1] if len(data) > 1 else 0
    if length == LONG_FRAME:
        start, length = 4, int.from_bytes(data[2:4])
    end = start + length
    return (data[start:end], data[end:]) if length > 0 and len(data) >= end else None


def main() -> None:
    """Run commands until the input ends."""
    holder = Holder()
    for line in sys.stdin:
        arguments = json.loads(line)
        reply = holder.open(**arguments) if "port" in arguments else holder.listen(**arguments)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
