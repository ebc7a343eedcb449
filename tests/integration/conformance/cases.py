"""Cases: bytes to send on a connection, and the outcomes that the RFCs allow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

KEPT = "200 keep"
ENDED = "200 close"
BAD = "400 close"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"


Facts = Mapping[str, str | tuple[str | None, ...] | None]
"""Variables of the WSGI environment, and `body`; a tuple lists alternatives, None means absent."""


@dataclass(frozen=True)
class Await:
    """Wait for `mark` before sending more; without it the outcome has a fault."""

    mark: bytes


@dataclass(frozen=True)
class Gap:
    """Pause, so that the server reads the bytes before separately."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    An outcome is what a client sees, such as `200+400 close`: the statuses in their order, then whether the connection
    serves one more request (`keep`) or has ended (`close`); `(cut)` marks a body that ended early. `facts` are what the
    first request must have shown to the application. `methods` are those of the first requests, as HEAD changes what an
    answer is. `end` is what the client does after the last step: ask once more, or close its half of the connection.
    """

    name: str
    rfc: str
    steps: tuple[bytes | Await | Gap, ...]
    allowed: tuple[str, ...]
    facts: Facts = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    end: Literal["ask", "shutdown"] = "ask"

    @property
    def data(self) -> bytes:
        return b"".join(step for step in self.steps if isinstance(step, bytes))


def text(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


def request(line: str | bytes = "GET /one HTTP/1.1", *headers: str | bytes, body: str | bytes = b"") -> bytes:
    """A request with exactly these lines after `Host: test`."""
    return bare(line, "Host: test", *headers, body=body)


def bare(line: str | bytes, *headers: str | bytes, body: str | bytes = b"") -> bytes:
    """A request with exactly these lines."""
    return b"".join(text(each) + b"\r\n" for each in (line, *headers)) + b"\r\n" + text(body)


def post(*headers: str | bytes, body: str | bytes = b"body") -> bytes:
    return request("POST /one HTTP/1.1", *headers, body=body)


def chunked(*headers: str | bytes, body: str | bytes = "4\r\nbody\r\n0\r\n\r\n") -> bytes:
    return post("Transfer-Encoding: chunked", *headers, body=body)
