"""Keep-alive connections to every worker of every pod."""

import http.client
import json
import random
import select
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

ANSWER_TIMEOUT_S = 60.0
LIVE = "/api/v1/health/live"
_UNREACHABLE_S = 0.2
ATTEMPTS, PAUSE_S = 100, 0.1
"""How often a client tries what cannot be done now, and how long it waits in between."""


def is_of_server(request_id: str | None) -> bool:
    """Whether the server has made this id, for an answer that it had kept: those ids have a `k`."""
    return "-k" in (request_id or "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; status 0 means none came. `start` and `end` are CLOCK_MONOTONIC in ns around the exchange."""

    start: int
    end: int
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    pod: str = ""
    worker: str = ""

    @property
    def answered(self) -> bool:
        return self.status != 0

    @property
    def by_server(self) -> bool:
        """Whether the server gave an answer that it had kept."""
        return is_of_server(self.headers.get("x-request-id"))

    @property
    def code(self) -> str:
        """The stable code of a problem document."""
        return self._member("code")

    @property
    def detail(self) -> str:
        """What a problem document says of this occurrence."""
        return self._member("detail")

    def _member(self, name: str) -> str:
        return str(self.body.get(name, "")) if isinstance(self.body, dict) else ""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send; `body` becomes JSON, or a form; bytes are sent as they are, with a type that `headers` name."""

    method: str
    path: str
    body: Any = None
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    form: bool = False


class Connection:
    """One connection; `worker` identifies its worker process by the prefix of the request ids."""

    def __init__(self, pod: str, port: int, patience_s: float = ANSWER_TIMEOUT_S, host: str = "127.0.0.1") -> None:
        self.pod, self.worker, self.broken = pod, "", False
        self.error: Exception | None = None
        self._http = http.client.HTTPConnection(host, port, timeout=patience_s)

    def send(self, request: Request) -> Answer:
        """Send and return the response; a lost connection gives status 0 and raises nothing."""
        data = None if request.body is None else _encoded(request)
        headers = dict(request.headers)
        if data is not None:
            headers.setdefault("Content-Type", f"application/{'x-www-form-urlencoded' if request.form else 'json'}")
        if request.token:
            headers["Authorization"] = f"Bearer {request.token}"
        start = time.monotonic_ns()
        try:
            self._http.request(request.method, request.path, data, headers)
            response = self._http.getresponse()
            received = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.error = error
            self.close()
            return Answer(start, time.monotonic_ns(), 0, pod=self.pod, worker=self.worker)
        end = time.monotonic_ns()
        self.worker = self._worker(response)
        if response.will_close:
            self.close()
        known = {name.lower(): value for name, value in response.getheaders()}
        lines = known.get("content-type", "").startswith("application/x-ndjson")
        body = [_decoded(each) for each in received.splitlines()] if lines else _decoded(received)
        return Answer(start, end, response.status, body, known, self.pod, self.worker)

    def ended(self) -> bool:
        """Whether the server has closed it while it was idle."""
        return self._http.sock is not None and bool(select.select([self._http.sock], [], [], 0)[0])

    def close(self) -> None:
        self.broken = True
        self._http.close()

    def _worker(self, response: http.client.HTTPResponse) -> str:
        """A request id is a random prefix of the worker process and a number."""
        return f"{self.pod}:{(response.getheader('x-request-id') or '').partition('-')[0]}"


class Connections:
    """One thread's connections, if possible one to each worker of each pod; lost ones are replaced."""

    def __init__(self, ports: dict[str, int], workers: int) -> None:
        """`workers` is the number of processes that each pod has."""
        self._ports, self._workers = ports, workers
        self._open: dict[str, list[Connection]] = {pod: [] for pod in ports}
        self._retry_at = dict.fromkeys(ports, 0.0)

    def all(self) -> list[Connection]:
        """All usable connections, after an attempt to replace the missing ones."""
        for pod in self._ports:
            self._open[pod] = [each for each in self._open[pod] if not each.broken]
            if len(self._open[pod]) < self._workers and time.monotonic() >= self._retry_at[pod]:
                self._complete(pod)
        return [each for opened in self._open.values() for each in opened]

    def any(self, draw: random.Random) -> Connection:
        """A random usable connection, once there is one; AssertionError if there is none for some time."""
        for _ in range(ATTEMPTS):
            if usable := self.all():
                return draw.choice(usable)
            time.sleep(PAUSE_S)
        raise AssertionError("no pod can be reached")

    def close(self) -> None:
        for opened in self._open.values():
            for each in opened:
                each.close()

    def _complete(self, pod: str) -> None:
        """Open the missing connections; several attempts, because the kernel may choose a known worker again."""
        known = {each.worker for each in self._open[pod]}
        spare: list[Connection] = []
        for _ in range(self._attempts(pod)):
            connection = self._connect(pod)
            if connection.send(Request("GET", LIVE)).status == 0:
                break
            (spare if connection.worker in known else self._open[pod]).append(connection)
            known.add(connection.worker)
            if len(self._open[pod]) >= self._workers:
                break
        for each in spare:
            each.close()
        self._retry_at[pod] = time.monotonic() + _UNREACHABLE_S

    def _attempts(self, pod: str) -> int:
        return 4 * self._workers

    def _connect(self, pod: str) -> Connection:
        return Connection(pod, self._ports[pod])


def _encoded(request: Request) -> bytes:
    if isinstance(request.body, bytes):
        return request.body
    return (urlencode(request.body) if request.form else json.dumps(request.body)).encode()


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
