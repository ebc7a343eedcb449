"""Clients that break the protocol, flood or do not read: each is cut off, memory stays bounded, others are served."""

import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest

from app.local.process import becomes_true
from tests.api_client import Api, Person
from tests.integration.realtime.gateways import WAIT_S, Gateway

MANY_EVENTS = """
SELECT count(stream_to(%s, 'account.noise', jsonb_build_object('x', repeat('x', 9000)))) FROM generate_series(1, 400)
"""
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GROWTH_BYTES = 48 * 1024 * 1024


def connected(gateway: Gateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), WAIT_S)


def request(path: str = "/api/v1/realtime", *more: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: gateway", *more, "", ""]
    return "\r\n".join(lines).encode()


def handshake(token: str = "", *more: str) -> bytes:
    said = [f"Authorization: Bearer {token}"] if token else []
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
    return request("/api/v1/realtime", *upgrade, *said, *more)


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    head = bytes([fin << 7 | rsv | opcode])
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else b""
    length = length or b"\x7f" + struct.pack(">Q", size)
    if not masked:
        return head + length + data
    return head + bytes([length[0] | 0x80]) + length[1:] + b"\0\0\0\0" + data


def upgraded(gateway: Gateway, token: str = "") -> socket.socket:
    line = connected(gateway)
    line.sendall(handshake(token))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return line


def everything(line: socket.socket) -> bytes:
    """What the gateway sends until it closes the connection."""
    said = b""
    try:
        while data := line.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


def close_code(said: bytes) -> int | None:
    """The code of the close frame with which `said` ends."""
    found = re.search(rb"\x88[\x02-\x7d](..)[^\x80-\xff]*\Z", said, re.DOTALL)
    return struct.unpack(">H", found[1])[0] if found else None


@pytest.fixture(scope="module", autouse=True)
def silent(gateway: Gateway) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Half a request, and a WebSocket that never says who it is, from the beginning on; each has 10 s."""
    with closing(connected(gateway)) as half, closing(upgraded(gateway)) as unannounced:
        half.sendall(b"GET /api/v1/realtime HTTP/1.1\r\nHost: x\r\n")
        yield half, unannounced


@pytest.fixture
def bystander(gateway: Gateway, api: Api) -> Iterator[None]:
    """Another client is served before and after."""
    person = api.person()
    with gateway.socket(person) as socket_:
        yield
        assert person.send("PATCH", "users/me", json={"name": "Ada L."}).status_code == 200
        assert socket_.events(1)[0]["type"] == "account.profile_changed"


VIOLATIONS = {
    "not masked": (frame(1, b"{}", masked=False), 1002),
    "reserved bit, as of compression": (frame(1, b"{}", rsv=0x40), 1002),
    "reserved opcode": (frame(3), 1002),
    "long ping": (frame(9, b"x" * 126), 1002),
    "ping in fragments": (frame(9, fin=False), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "new message within a message": (frame(1, b"x", fin=False) + frame(1, b"x"), 1002),
    "close code 1005": (frame(8, struct.pack(">H", 1005)), 1002),
    "not UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "half of a character": (frame(1, "é".encode()[:1], fin=False) + frame(0, b"x"), 1007),
    "binary": (frame(2, b"x"), 1003),
    "too large": (b"\x81\xff" + struct.pack(">Q", 1 << 40), 1009),
    "large in fragments": (frame(1, b"x" * 9000, fin=False) + frame(0, b"x" * 9000), 1009),
    "flood of pings": (frame(9) * 10_000, 1008),
    "flood of empty fragments": (frame(1, fin=False) + frame(0, fin=False) * 10_000, 1008),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation_closes_with_its_code(gateway: Gateway, bystander: None, name: str) -> None:
    data, code = VIOLATIONS[name]
    with closing(upgraded(gateway)) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        assert close_code(everything(line)) == code


MALFORMED = {
    "no protocol": b"GET /api/v1/realtime\r\n\r\n",
    "body": request("/api/v1/realtime/events", "Content-Length: 5") + b"hello",
    "chunked": request("/api/v1/realtime/events", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": request("/api/v1/realtime/events", "Content-Length: 0", "Content-Length: 9"),
    "folded header": request("/api/v1/realtime/events", "X: a", " b"),
    "space before colon": request("/api/v1/realtime/events", "X : a"),
    "two requests": request("/api/v1/realtime/events") * 2,
    "frames before the answer": handshake() + frame(1, b"{}"),
    "long line": request("/" + "x" * 9000),
    "many headers": request("/", *["X: y"] * 200),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 20,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_opens_nothing(gateway: Gateway, bystander: None, name: str) -> None:
    with closing(connected(gateway)) as line:
        line.sendall(MALFORMED[name])
        assert not re.match(rb"HTTP/1.1 (101|200)", everything(line))


def test_upgrade_without_its_headers_is_refused(gateway: Gateway) -> None:
    for path, status in (("/api/v1/realtime", b"426"), ("/api/v1/realtime?token=x", b"400")):
        with closing(connected(gateway)) as line:
            line.sendall(request(path))
            assert everything(line).split(b" ")[1] == status


def test_compression_is_not_negotiated(gateway: Gateway) -> None:
    with closing(connected(gateway)) as line:
        line.sendall(handshake("", "Sec-WebSocket-Extensions: permessage-deflate"))
        assert b"Extensions" not in line.recv(65536)


def test_client_that_does_not_read_is_cut_off(gateway: Gateway, bystander: None, api: Api) -> None:
    person = api.person()
    assert gateway.process is not None
    process = psutil.Process(gateway.process.pid)
    before = process.memory_info().rss
    with closing(connected(gateway)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(handshake(person.token))

        def ended() -> bool:
            return re.search(r'realtime_ends_total{code="1013"} [1-9]', gateway.metrics()) is not None

        for _ in range(4):
            api.query(MANY_EVENTS, (person.id,))
        assert becomes_true(ended, WAIT_S)
    assert process.memory_info().rss - before < GROWTH_BYTES


def test_flood_of_refused_requests_leaves_nothing_open(gateway: Gateway, bystander: None, person: Person) -> None:
    for _ in range(200):
        with closing(connected(gateway)) as line:
            line.sendall(request("/api/v1/realtime/events", f"Authorization: Bearer {os.urandom(8).hex()}"))
    assert becomes_true(lambda: re.search(r"realtime_connections [1-4]\.0", gateway.metrics()) is not None, WAIT_S)


def test_silent_connections_end(silent: tuple[socket.socket, socket.socket], bystander: None) -> None:
    half, unannounced = silent
    assert everything(half) == b""
    assert close_code(everything(unannounced)) == 4401
