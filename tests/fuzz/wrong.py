"""Applications that used to crash the worker or to hide their error; served without the framing layer."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from app.server.framing import Environ, StartResponse
from tests.fuzz.shapes import FickleClose, Rude


def fickle_close(start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "6")])
    return FickleClose()


def no_exception(start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("500 Oops", [], (1, 2, 3))
    return [b""]


def no_tuple(start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("500 Oops", [], [ValueError, ValueError(), None])
    return [b""]


def fail(part: bytes) -> bytes:
    raise Rude


def fails_at_first(start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield from map(fail, [b""])


APPLICATIONS: dict[str, Callable[[StartResponse], Any]] = {
    each.__name__: each for each in (fickle_close, no_exception, no_tuple, fails_at_first)
}


def application(environ: Environ, start_response: StartResponse) -> Any:
    """Serves `/wrong/<name>`."""
    return APPLICATIONS[environ["PATH_INFO"].removeprefix("/wrong/")](start_response)
