"""Sends a case on a connection and summarizes the responses."""

import re
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.conformance.cases import Case, Gap

QUIET_S = 0.4
GAP_S = 0.02
PATIENCE_S = 4.0
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
BODILESS = (100, 204, 304)


@dataclass
class Answer:
    """One response on the wire."""

    status: int
    version: bytes
    headers: dict[bytes, bytes]
    body: bytes
    bodiless: bool
    cut: bool = False


@dataclass
class Exchange:
    """All responses of a case, and their faults."""

    answers: list[Answer] = field(default_factory=list)
    kept: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        statuses = "+".join(f"{answer.status}{'(cut)' if answer.cut else ''}" for answer in self.answers)
        return f"{statuses} {'keep' if self.kept else 'close'}" if statuses else "closed"


Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


def connect(address: Address) -> socket.socket:
    if isinstance(address, tuple):
        sock = socket.create_connection(address, PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE_S)
    sock.connect(address)
    return sock


class NotHttp(Exception):
    """The bytes are not an HTTP response; the message says why."""


class Wire:
    """The client's end of a connection."""

    def __init__(self, address: Address) -> None:
        self.sock = connect(address)
        self.data = b""
        self.ended = False

    def send(self, data: bytes) -> None:
        """Send, and read meanwhile, so that an early response does not block a large request."""
        view = memoryview(data)
        self.sock.setblocking(False)
        while view and not self.ended:
            readable, writable, _ = select.select([self.sock], [self.sock], [], PATIENCE_S)
            if not readable and not writable:
                return
            if readable:
                self._receive()
            if writable and not self.ended:
                try:
                    view = view[self.sock.send(view) :]
                except OSError:
                    return

    def read(self, seconds: float, until: bytes | None = None) -> bool:
        """Read until `until` (or the end) has come; False if nothing came for `seconds`."""
        while until is None or until not in self.data:
            if not self.more(seconds):
                break
        return self.ended if until is None else until in self.data

    def more(self, seconds: float) -> bool:
        """Read the next bytes; False if none come within `seconds`."""
        if self.ended or not select.select([self.sock], [], [], seconds)[0]:
            return False
        self._receive()
        return True

    def _receive(self) -> None:
        try:
            part = self.sock.recv(65536)
        except OSError:
            part = b""
        self.data += part
        self.ended = not part


def exchange(case: Case, address: Address, quiet_s: float = QUIET_S) -> Exchange:
    """Send the steps, then one more request or a half-close; read until the server closes."""
    wire = Wire(address)
    with wire.sock:
        result = Exchange()
        for step in case.steps:
            if isinstance(step, bytes):
                wire.send(step)
            elif isinstance(step, Gap):
                wire.read(GAP_S)
            elif not wire.read(PATIENCE_S / 4, step.mark):
                result.faults.append(f"no {step.mark.decode().strip() or 'answer'} in time")
        _end(case, wire, quiet_s)
        if not wire.read(PATIENCE_S):
            result.faults.append("hangs")
        _read(result, case, wire.data)
    return result


def _end(case: Case, wire: Wire, quiet_s: float) -> None:
    if case.end == "shutdown":
        if not wire.ended:
            wire.sock.shutdown(socket.SHUT_WR)
        return
    while not _final(wire.data) and wire.more(quiet_s):
        pass
    wire.send(SENTINEL)


def _final(data: bytes) -> bool:
    """Whether the head of a final response has come."""
    return any(not match[1].startswith(b"1") for match in STATUS.finditer(data)) and b"\r\n\r\n" in data


def _read(result: Exchange, case: Case, data: bytes) -> None:
    try:
        result.answers = responses(data, case.methods)
    except NotHttp as error:
        result.faults.append(str(error))
        return
    if result.answers and result.answers[-1].body == b"/sentinel" and result.answers[-1].status == 200:
        result.answers.pop()
        result.kept = True
    result.faults += faults(result.answers, result.kept)


def responses(data: bytes, methods: Sequence[str]) -> list[Answer]:
    """Parse the responses in `data`; `methods` are those of the first requests. Raises NotHttp."""
    found: list[Answer] = []
    finals = 0
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        match = STATUS.fullmatch(lines[0])
        if not mark or match is None:
            raise NotHttp(f"no response: {data[:40]!r}")
        pairs = (line.partition(b":") for line in lines[1:])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        head_only = finals < len(methods) and methods[finals] == "HEAD"
        status = int(match[1])
        answer = Answer(status, lines[0][:8], headers, b"", bodiless=status in BODILESS or head_only)
        finals += status >= 200
        if answer.bodiless:
            answer.body, data = _unwanted(rest)
        else:
            answer.body, data, answer.cut = _body(headers, rest)
        found.append(answer)
    return found


def _unwanted(rest: bytes) -> tuple[bytes, bytes]:
    """The bytes where no body is allowed, and the rest."""
    match = STATUS.search(rest)
    return (rest[: match.start()], rest[match.start() :]) if match else (rest, b"")


def _body(headers: dict[bytes, bytes], rest: bytes) -> tuple[bytes, bytes, bool]:
    """The body, the rest, and whether the body was cut short."""
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _chunks(rest)
    if b"content-length" not in headers:
        return rest, b"", False
    length = int(headers[b"content-length"])
    return rest[:length], rest[length:], len(rest) < length


def _chunks(rest: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while rest:
        line, mark, rest = rest.partition(b"\r\n")
        if not mark or not re.fullmatch(rb"[0-9A-Fa-f]+", line):
            raise NotHttp(f"no chunk: {line[:40]!r}")
        size = int(line, 16)
        body, end, rest = body + rest[:size], rest[size : size + 2], rest[size + 2 :]
        if end != b"\r\n":
            raise NotHttp(f"no end of a chunk: {end!r}")
        if size == 0:
            return body, rest, False
    return body, b"", True


def faults(answers: list[Answer], kept: bool) -> list[str]:
    """Violations of rules for all responses (RFC 9110, 6.6.1 and 8.6; RFC 9112, 6.3 and 9.6)."""
    found = []
    for index, answer in enumerate(answers):
        last = index == len(answers) - 1
        ends = b"close" in answer.headers.get(b"connection", b"").lower()
        if 200 <= answer.status < 500 and b"date" not in answer.headers:
            found.append("no Date")
        if answer.version != b"HTTP/1.1":
            found.append(f"answers as {answer.version.decode()}")
        if answer.bodiless and answer.body:
            found.append("a body where none may be")
        if ends and (kept or not last):
            found.append("says close and goes on")
        framed = {b"content-length", b"transfer-encoding"} & answer.headers.keys()
        if not framed and not answer.bodiless and (kept or not last):
            found.append("no end of the body")
        if last and not kept and answer.status >= 400 and not ends:
            found.append("does not say close")
    return list(dict.fromkeys(found))
