"""Many keep-alive HTTP/1.1 clients in one process, which behave as good client libraries do and count what users see.

A connection that the server says it closes, or has closed while idle, is replaced before the next request, and before
one that cannot be repeated also a connection that the server may be closing (`clients.IDLE_MOST_S`). A request
that got no byte of an answer on a reused connection which the server closed is repeated once on a new one where its
method is idempotent (RFC 9110, 9.2.2), and counted apart. `python -m tests.e2e.platform.load.steady` reads a plan from
the first line of its standard input, sends until that input ends, and prints its progress and then its report as JSON.
"""

import dataclasses
import errno
import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

from tests.e2e.platform.load.clients import IDLE_MOST_S
from tests.e2e.platform.load.report import NO_ANSWER, Ask, Failure, Plan, Report

ANSWER_TIMEOUT_NS = 30_000_000_000
TICK_S = 0.004
PROGRESS_NS = 500_000_000
BEHIND_MOST_NS = 500_000_000
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})


class Client:
    """One user with one connection; `ask` is the request under way."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.socket: socket.socket | None = None
        self.connecting = self.repeated = False
        self.served = self.used = 0
        self.worker = ""
        self.received = b""
        self.ask: Ask | None = None
        self.start = 0

    def connect(self) -> socket.socket:
        """Begin to connect."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connecting, self.served, self.worker, self.received = True, 0, "", b""
        refused = self.socket.connect_ex(self._address)
        if refused not in (0, errno.EINPROGRESS):
            raise OSError(refused, "cannot connect")
        return self.socket

    def ended(self) -> bool:
        """Whether the server has closed the idle connection."""
        try:
            return self.socket is None or self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def answer(self) -> tuple[int, dict[str, str], bytes] | None:
        """(status, headers, body) once it is complete, else None; raises ValueError without a Content-Length."""
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        line, *lines = head.decode("latin-1").split("\r\n")
        status = int(line[9:12])
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        if status in (204, 304):
            return status, headers, b""
        length = int(headers["content-length"]) if "content-length" in headers else None
        if length is None:
            raise ValueError("an answer without a length")
        return (status, headers, body) if len(body) >= length else None


class Clients:
    """All clients of a plan in one thread: requests become due at its rate, and idle clients send them."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self.report = plan, Report()
        self._idle = deque(Client(plan.host, plan.port) for _ in range(plan.connections))
        self._poll = select.epoll()
        self._busy: dict[int, Client] = {}
        self._known: dict[int, Client] = {}
        self._sent = 0

    def run(self, over: Callable[[], bool], progress: Callable[[Report], None] = lambda report: None) -> Report:
        """Send until `over()`, then wait for pending responses."""
        self._begin = told = time.monotonic_ns()
        while not (stopped := over()) or self._busy:
            now = time.monotonic_ns()
            if not stopped:
                self._send_what_is_due(now)
            for descriptor, _ in self._poll.poll(TICK_S):
                self._heard(descriptor)
            if now - told > PROGRESS_NS:
                told = now
                self._expire(now)
                progress(self.report)
        for each in self._known.values():
            each.close()
        return self.report

    def _send_what_is_due(self, now: int) -> None:
        due = int((now - self._begin) * self._plan.rate / 1e9)
        while self._idle and self._sent < due:
            client = self._idle.popleft()
            client.ask = self._plan.asks[self._sent % len(self._plan.asks)]
            client.repeated = False
            self._sent += 1
            self._attempt(client)
        behind = now - self._begin - int(self._sent * 1e9 / self._plan.rate)
        if behind > BEHIND_MOST_NS:
            self._begin += behind

    def _attempt(self, client: Client) -> None:
        client.start = time.monotonic_ns()
        if client.socket is not None and (client.ended() or self._may_be_closing(client)):
            self._drop(client)
        try:
            if client.socket is None:
                connection = client.connect()
                self._known[connection.fileno()] = self._busy[connection.fileno()] = client
                self._poll.register(connection, select.EPOLLOUT)
            else:
                self._busy[client.socket.fileno()] = client
                self._send(client)
        except OSError as error:
            self._lost(client, error)

    def _may_be_closing(self, client: Client) -> bool:
        """Whether the connection is too old for a request that cannot be repeated."""
        assert client.ask is not None
        return client.ask.method not in _IDEMPOTENT and client.start - client.used > IDLE_MOST_S * 1e9

    def _send(self, client: Client) -> None:
        assert client.socket is not None
        assert client.ask is not None
        client.received = b""
        data = client.ask.wire.encode()
        if client.socket.send(data) != len(data):
            raise OSError("the request did not fit into the socket's buffer")

    def _heard(self, descriptor: int) -> None:
        client = self._known.get(descriptor)
        if client is None or client.socket is None:
            return
        if descriptor not in self._busy:  # closed while idle: no request is affected
            self._drop(client)
            return
        try:
            if client.connecting:
                self._connected(client, client.socket)
            else:
                self._receive(client, client.socket)
        except BlockingIOError:
            return
        except (OSError, ValueError) as error:
            self._lost(client, error)

    def _connected(self, client: Client, connection: socket.socket) -> None:
        refused = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if refused:
            raise OSError(refused, "connection refused" if refused == errno.ECONNREFUSED else "cannot connect")
        client.connecting = False
        self._poll.modify(connection, select.EPOLLIN)
        self._send(client)

    def _receive(self, client: Client, connection: socket.socket) -> None:
        data = connection.recv(262_144)
        if not data:
            raise OSError("the server closed the connection without a whole answer")
        client.received += data
        found = client.answer()
        if found is None:
            return
        status, headers, body = found
        client.worker = headers.get("x-request-id", "").partition("-")[0]
        self._answered(client, status, headers, body)
        client.served += 1
        client.used = time.monotonic_ns()
        if headers.get("connection", "").lower() == "close" or client.served >= self._plan.renewed:
            self._drop(client)
        else:
            del self._busy[connection.fileno()]
        self._idle.append(client)

    def _answered(self, client: Client, status: int, headers: dict[str, str], body: bytes) -> None:
        ask, now = client.ask, time.monotonic_ns()
        assert ask is not None
        right = status == ask.status and ask.contains.encode() in body
        self.report.note_answer(now, status, client.worker, right)
        if not right:
            reason = "another answer than expected" if status == ask.status else body.decode(errors="replace")[:300]
            self._fail(client, reason, status, headers.get("retry-after", ""))

    def _lost(self, client: Client, error: Exception) -> None:
        """Handle an incomplete response: repeat the request if that is allowed, else count it as failed."""
        ask = client.ask
        assert ask is not None
        may = client.served and not client.received and not client.repeated and ask.method in _IDEMPOTENT
        failure = self._failure(client, str(error))
        self._drop(client)
        if may:
            client.repeated = True
            self.report.repeated.append(failure)
            self._attempt(client)
        else:
            self.report.note_lost(failure)
            self._idle.append(client)

    def _fail(self, client: Client, reason: str, status: int, retry_after: str) -> None:
        self.report.failures.append(self._failure(client, reason, status, retry_after))

    def _failure(self, client: Client, reason: str, status: int = NO_ANSWER, retry_after: str = "") -> Failure:
        assert client.ask is not None
        return Failure(
            start=client.start,
            end=time.monotonic_ns(),
            method=client.ask.method,
            status=status,
            reason=reason,
            retry_after=retry_after,
            worker=client.worker,
            reused=client.served > 0,
        )

    def _drop(self, client: Client) -> None:
        if client.socket is not None:
            descriptor = client.socket.fileno()
            self._known.pop(descriptor, None)
            self._busy.pop(descriptor, None)
            self._poll.unregister(descriptor)
            client.close()

    def _expire(self, now: int) -> None:
        for client in [each for each in self._busy.values() if now - each.start > ANSWER_TIMEOUT_NS]:
            client.repeated = True  # no repetition after such a long wait
            self._lost(client, TimeoutError("no answer in time"))


def main() -> None:
    """See the module."""
    plan = Plan.of(json.loads(sys.stdin.readline()))
    ended = select.poll()
    ended.register(sys.stdin, select.POLLIN | select.POLLHUP)

    def progress(report: Report) -> None:
        _tell({"answered": report.count, "failed": len(report.failures)})

    report = Clients(plan).run(lambda: bool(ended.poll(0)), progress)
    _tell({"report": dataclasses.asdict(report)})


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
