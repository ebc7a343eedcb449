"""Framing as a WSGI wrapper, without a server."""

from collections.abc import Iterable
from typing import Any

import pytest

from app.server.framing import FramingError, framed

Start = Any


class Sent:
    """The status and headers that the worker receives."""

    def __init__(self) -> None:
        self.status, self.headers = "", list[tuple[str, str]]()

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, headers

    @property
    def length(self) -> str | None:
        return next((value for name, value in self.headers if name.lower() == "content-length"), None)


def answer(
    body: Iterable[bytes],
    *headers: tuple[str, str],
    status: str = "200 OK",
    method: str = "GET",
    protocol: str = "HTTP/1.1",
) -> tuple[Sent, bytes]:
    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response(status, list(headers))
        return body

    sent = Sent()
    parts = framed(application)({"REQUEST_METHOD": method, "SERVER_PROTOCOL": protocol}, sent.start)
    return sent, b"".join(parts)


class Stream:
    def __init__(self, *parts: bytes) -> None:
        self.parts, self.closed = parts, False

    def __iter__(self) -> Any:
        return iter(self.parts)

    def close(self) -> None:
        self.closed = True


def test_correct_response_is_unchanged() -> None:
    sent, body = answer([b"body"], ("content-length", "4"), ("x-a", "b"))
    assert (sent.headers, body) == ([("content-length", "4"), ("x-a", "b")], b"body")


@pytest.mark.parametrize("name", ["content-length", "Content-Length"])
def test_a_wrong_length_is_replaced(name: str) -> None:
    sent, _ = answer([b"bo", b"dy"], (name, "9"))
    assert sent.headers == [(name, "4")]


def test_a_missing_length_is_added() -> None:
    assert answer([b"body"])[0].length == "4"
    assert answer([])[0].length == "0"
    assert answer([b""])[0].length == "0"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "101 Switching Protocols"])
def test_a_bodiless_status_loses_body_and_length(status: str) -> None:
    sent, body = answer([b"body"], ("Content-Length", "4"), status=status)
    assert (sent.headers, body) == ([], b"")


def test_head_keeps_the_length_and_loses_the_body() -> None:
    assert answer([], ("content-length", "9"), method="HEAD")[0].length == "9"
    sent, body = answer([b"body"], method="HEAD")
    assert (sent.length, body) == ("4", b"")


def test_a_stream_that_is_not_sent_is_closed() -> None:
    stream = Stream(b"a")
    assert answer(stream, method="HEAD")[1] == b""
    assert stream.closed


def test_a_stream_keeps_its_declared_length() -> None:
    assert answer(Stream(b"", b"abc", b"def"), ("content-length", "4"))[1] == b"abcd"
    with pytest.raises(FramingError):
        answer(Stream(b"abc"), ("content-length", "4"))


def test_stream_without_length_is_chunked_or_measured_for_http_1_0() -> None:
    assert answer(Stream(b"ab", b"c"))[0].length is None
    stream = Stream(b"ab", b"c")
    assert answer(stream, protocol="HTTP/1.0")[0].length == "3"
    assert stream.closed


def test_a_generator_may_start_its_response_late() -> None:
    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("201 Created", [])
        yield b"late"

    sent = Sent()
    parts = framed(application)({"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}, sent.start)
    assert (sent.status, b"".join(parts)) == ("201 Created", b"late")


def test_an_error_replaces_a_response_that_was_not_sent() -> None:
    def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError as error:
            start_response("500 Error", [], (ValueError, error, error.__traceback__))
        return [b"sorry"]

    sent = Sent()
    framed(application)({"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}, sent.start)
    assert (sent.status, sent.length) == ("500 Error", "5")
