"""`python -m loadtest.connections.client` holds some of the connections; it reads commands from standard input.

Each line is a JSON object with the arguments of `Holder.open` (if it has a port) or `Holder.ask`; the reply is a line
with an `Outcome`. Several processes are needed because the file descriptors of one are limited.
"""

import dataclasses
import errno
import json
import os
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST_ANSWER_S = 60.0
WAIT_S = 0.5
BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of ip(7): the kernel chooses the port on connect, not on bind
_LENGTH = b"\r\ncontent-length: "


@dataclass
class Outcome:
    """`failures`: the number of connections without a response of status 200, by cause."""

    answered: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)


class Holder:
    """The connections of this process to one port of 127.0.0.1, from one source address."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._asked: dict[int, float] = {}  # when each pending request was sent, the earliest first
        self._outcome = Outcome()

    def open(self, connections: int, port: int, source: str, request: str, at_once: int) -> Outcome:
        """Open connections and send `request` on each once connected; at most `at_once` are pending at a time."""
        left = iter(range(connections))

        def start() -> bool:
            if next(left, None) is None:
                return False
            self._connect(port, source)
            return True

        return self._run(start, request.encode(), at_once)

    def ask(self, request: str, at_once: int) -> Outcome:
        """Send `request` once on each connection."""
        data, left = request.encode(), deque(self._sockets)

        def start() -> bool:
            if not left:
                return False
            fd = left.popleft()
            self._asked[fd] = time.perf_counter()
            self._send(fd, data)
            return True

        return self._run(start, data, at_once)

    def _run(self, start: Callable[[], bool], request: bytes, at_once: int) -> Outcome:
        """Run until all are answered. `start` begins the next connection or request; False: none is left."""
        self._outcome = Outcome()
        began, more = time.perf_counter(), True
        while more or self._asked:
            while more and len(self._asked) < at_once:
                more = start()
            for fd, events in self._poll.poll(WAIT_S):
                if events == select.EPOLLOUT:
                    self._send(fd, request)
                else:
                    self._receive(fd)
            self._give_up()
        self._outcome.seconds = time.perf_counter() - began
        return self._outcome

    def _connect(self, port: int, source: str) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((source, 0))
        fd = sock.fileno()
        self._sockets[fd], self._asked[fd] = sock, time.perf_counter()
        code = sock.connect_ex(("127.0.0.1", port))
        self._poll.register(fd, select.EPOLLOUT)
        if code not in (0, errno.EINPROGRESS):
            self._drop(fd, f"not connected: {os.strerror(code)}")

    def _send(self, fd: int, request: bytes) -> None:
        try:
            self._sockets[fd].send(request)
        except OSError as error:
            self._drop(fd, f"not sent: {error.strerror}")
        else:
            self._poll.modify(fd, select.EPOLLIN)

    def _receive(self, fd: int) -> None:
        try:
            data = self._sockets[fd].recv(65_536)
        except OSError as error:
            self._drop(fd, error.strerror or "no connection")
            return
        answer = self._received.pop(fd, b"") + data
        if not data:
            self._drop(fd, "closed in an answer" if fd in self._asked else "closed while idle")
        elif not _complete(answer):
            self._received[fd] = answer
        elif answer[9:12] != b"200":
            self._drop(fd, f"status {answer[9:12].decode()}")
        else:
            self._outcome.answered += 1
            self._outcome.latencies_ms.append((time.perf_counter() - self._asked.pop(fd)) * 1000)

    def _drop(self, fd: int, why: str) -> None:
        self._outcome.failures[why] = self._outcome.failures.get(why, 0) + 1
        self._asked.pop(fd, None)
        self._sockets.pop(fd).close()

    def _give_up(self) -> None:
        latest = time.perf_counter() - LONGEST_ANSWER_S
        while self._asked:
            fd, asked_at = next(iter(self._asked.items()))
            if asked_at > latest:
                break
            self._drop(fd, "no answer")


def _complete(answer: bytes) -> bool:
    """Whether the response is complete, by its content-length."""
    head, end, body = answer.partition(b"\r\n\r\n")
    _, found, rest = (head + b"\r\n").lower().partition(_LENGTH)
    return bool(end) and bool(found) and len(body) == int(rest.partition(b"\r\n")[0])


def main() -> None:
    """Run commands until the input ends."""
    holder = Holder()
    for line in sys.stdin:
        arguments = json.loads(line)
        outcome = holder.open(**arguments) if "port" in arguments else holder.ask(**arguments)
        print(json.dumps(dataclasses.asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
