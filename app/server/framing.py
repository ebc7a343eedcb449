"""Corrects the framing of responses before a worker sends them (RFC 9110, 6.4.1, 8.6 and 9.3.2; RFC 9112, 6).

Workers send what they are given: a body after HEAD, an empty chunk that ends the response too early, a body longer or
shorter than its Content-Length. Each of them makes the client misread where the next response begins.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import Any, cast

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
MaybeExcInfo = ExcInfo | None
StartResponse = Callable[..., Any]
Write = Callable[[bytes], None]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

BODILESS = frozenset({"100", "101", "102", "103", "204", "304"})
LENGTH = "content-length"


class FramingError(Exception):
    """A streamed body is shorter than its Content-Length; the connection must be closed, as the client waits."""


def framed(application: Application) -> Application:
    """Wrap `application` so that each response has the body and Content-Length that its method and status allow."""

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status: str = ""
        headers: Headers = []
        sent = False

        def start(new_status: str, new_headers: Headers, exc_info: MaybeExcInfo = None) -> Write:
            nonlocal status, headers
            if sent and exc_info is not None:
                raise exc_info[1].with_traceback(exc_info[2])
            status, headers = new_status, new_headers
            return _refuse_write

        # The worker's start_response is called last, when the body is known, so that headers can still change.
        body = application(environ, start)
        try:
            if type(body) is not list:
                body = _begun(body, lambda: status)
            if environ["REQUEST_METHOD"] == "HEAD" or status[:3] in BODILESS:
                body = _no_body(body, status, headers)
            elif type(body) is list:
                body = _whole(body, headers)
            else:
                body = _streamed(body, headers, environ)
            start_response(status, headers)
        except BaseException:
            _close(body)
            raise
        sent = True
        return body

    return call


def _whole(body: list[bytes], headers: Headers) -> list[bytes]:
    if len(body) > 1:
        body = [b"".join(body)]
    length = str(len(body[0])) if body else "0"
    for index, (name, value) in enumerate(headers):
        if len(name) == 14 and name.lower() == LENGTH:
            if value != length:
                headers[index] = (name, length)
            break
    else:
        headers.append((LENGTH, length))
    return body if length != "0" else []


def _no_body(body: Iterable[bytes], status: str, headers: Headers) -> list[bytes]:
    """An empty body. HEAD keeps the Content-Length of GET; 1xx, 204 and 304 have none."""
    if status[:3] in BODILESS:
        headers[:] = [header for header in headers if header[0].lower() != LENGTH]
    elif type(body) is list and body:
        _whole(body, headers)
    _close(body)
    return []


def _streamed(body: Iterable[bytes], headers: Headers, environ: Environ) -> Iterable[bytes]:
    declared = next((value for name, value in headers if name.lower() == LENGTH), None)
    if declared is not None:
        return _Measured(body, int(declared))
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        return _Measured(body, None)
    try:
        return _whole(list(body), headers)
    finally:
        _close(body)


class _Measured:
    """A streamed body without empty parts, cut at `length` when that is known."""

    def __init__(self, body: Iterable[bytes], length: int | None) -> None:
        self._body, self._length = body, length

    def __iter__(self) -> Iterator[bytes]:
        left = self._length
        for part in self._body:
            kept = part if left is None else part[:left]
            if left is not None:
                left -= len(kept)
            if kept:
                yield kept
            if left == 0:
                return
        if left:
            raise FramingError(f"the body ended {left} bytes early")

    def close(self) -> None:
        _close(self._body)


class _Begun:
    """A body of which the first part has been taken."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._parts, self._body = chain(first, rest), body

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        _close(self._body)


def _begun(body: Iterable[bytes], status: Callable[[], str]) -> Iterable[bytes]:
    """`body`, asked for its first part if the application has not called `start_response` yet (PEP 3333)."""
    if status():
        return body
    parts = iter(body)
    first = next(parts, None)
    return _Begun([] if first is None else [first], parts, body)


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        cast("Callable[[], None]", close)()


def _refuse_write(data: bytes) -> None:
    raise NotImplementedError("the write callable of WSGI is not supported")
