"""A WSGI application that responds correctly or wrongly, waits, fails or keeps objects, by a hash of the target."""

import contextlib
import random
import socket
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from greenlet import greenlet

from app.infra import cooperative
from app.server.framing import Environ, StartResponse

Random = random.Random

LEFT: deque[Any] = deque(maxlen=64)  # objects of past requests that applications keep wrongly
SHARED: list[Any] = []  # a Waiter and a pair of sockets
EVENTS: deque[cooperative.Event] = deque(maxlen=8)

STATUSES: tuple[Any, ...] = (
    "200 OK", "204 No Content", "304 Not Modified", "404 Not Found", "100 Continue", "101 Switching Protocols",
    "500 Internal Server Error", "999 Unknown", "200", "200 ", " 200 OK", "", " ", "OK", "2e2 OK", "99 Low",
    "1000 High", "-200 OK", "9" * 40, "200 " + "x" * 5000, "200 O\0K", "200 OK\r\nX-A: b", "200 \u00e9", "200 \u20ac",
    "200 \ud800", "0x200 OK", None, 200, b"200 OK", ["200 OK"],
)  # fmt: skip

NAMES: tuple[Any, ...] = (
    "X-A", "Content-Type", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "Server", "Date",
    "Set-Cookie", "", ":", "X:A", "X A", "X\r\nA", "X\0A", "\u00e9", "\u20ac", "x" * 3000, None, 1, b"X-A",
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    "b", "", "0", "1", "5", "17", "100000", "-1", "+3", "1e3", "18446744073709551616", "9223372036854775807",
    "chunked", "close", "keep-alive", "text/plain", "a\r\nX-B: c", "a\rb", "a\nb", "a\0b", "\u00ff", "\u20ac", "\udfff",
    "x" * 9000, "x" * 200_000, None, 7, b"b", ("b",),
)  # fmt: skip


class Rude(Exception):
    """The error of a broken application."""


class Text(str):
    __slots__ = ()


class Parts:
    """An iterable with a `close`, which may raise or wait."""

    def __init__(self, parts: list[Any], close: Callable[[], Any]) -> None:
        self._parts, self.close = parts, close

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parts)


class FickleClose:
    """An iterable whose `close` exists only at the first access."""

    asked = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"fickle"])

    @property
    def close(self) -> Callable[[], None]:
        self.asked += 1
        if self.asked > 1:
            raise Rude
        return lambda: None


def application(environ: Environ, start_response: StartResponse) -> Any:
    """A response chosen by the hash of the request's target."""
    path = environ["PATH_INFO"]
    if path.removeprefix("/bare").startswith("/canary/"):
        return canary(environ, start_response)
    choice = Random(zlib.crc32(repr((path, environ["QUERY_STRING"])).encode()))
    for deed in choice.choices((nothing, read, keep, spoil, wait, answer_early), (20, 10, 2, 1, 3, 1), k=2):
        deed(choice, environ, start_response)
    headers = headers_of(choice)
    late = choice.random() < 0.1

    def begin() -> None:
        start(choice, start_response, headers)

    if not late and choice.random() < 0.97:
        begin()
    result = body_of(choice, begin if late else None)
    if choice.random() < 0.03:
        headers.append(("X-Late", "1")) if choice.random() < 0.5 else headers.clear()
    return result


def canary(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """A response that shows whether the request was read correctly and not mixed with another."""
    body = environ["wsgi.input"].read()
    answer = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {zlib.crc32(body)} {len(body)}".encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def start(choice: Random, start_response: StartResponse, headers: Any) -> None:
    """Call `start_response`, mostly correctly."""
    if choice.random() < 0.95:
        start_response("200 OK", headers)
    else:
        start_response(choice.choice(STATUSES), headers)
    if choice.random() < 0.02:
        error = choice.choice((Rude("again"), ValueError, 1, None))
        start_response("500 Oops", [], choice.choice((None, (type(error), error, None), (1, 2, 3), (1, 2), error, [])))


def headers_of(choice: Random) -> Any:
    """Response headers: mostly a list of string pairs, else an invalid value."""
    kind = choice.random()
    if kind < 0.8:
        return [(f"X-{n}", "value") for n in range(choice.choice((0, 1, 2, 5)))]
    pairs: list[Any] = [
        (choice.choice(NAMES), choice.choice(VALUES)) for _ in range(choice.choice((1, 2, 3, 10, 60, 400)))
    ]
    if kind < 0.95:
        return pairs[:3]
    return choice.choice((
        pairs, pairs, tuple(pairs), None, {"a": "b"}, iter(pairs), ["X-A: b"], [("X-A",)], [("a", "b", "c")], [None],
        [["X-A", "b"]], [(Text("X-A"), Text("b"))], "X-A",
    ))  # fmt: skip


def body_of(choice: Random, late_start: Callable[[], None] | None) -> Any:
    """A response body of some kind; with `late_start` it calls that first."""
    size = choice.choice((0, 1, 10, 100, 5000, 70_000))
    if choice.random() < 0.004:
        size = choice.choice((1_000_000, 4_000_000, 8_000_000))
    whole = bytes(size)
    parts = [whole[:7], b"", whole, b"x"]
    if late_start is not None:
        return stream(choice, parts, late_start)
    right: tuple[Callable[[], Any], ...] = (
        list, lambda: [b""], lambda: [whole], lambda: [whole], lambda: parts, lambda: tuple(parts), lambda: iter(parts),
        lambda: stream(choice, parts, None), lambda: stream(choice, parts, None), lambda: stream(choice, parts, None),
        lambda: Parts(parts, lambda: None), lambda: Parts(parts, lambda: cooperative.sleep(0.001)), FickleClose,
    )  # fmt: skip
    wrong: tuple[Callable[[], Any], ...] = (
        lambda: whole[:100], lambda: "text", lambda: None, lambda: 5, lambda: [None], lambda: [b"a", None, b"b"],
        lambda: ["text"], lambda: [b"a", bytearray(b"b")], lambda: [memoryview(whole)], lambda: {b"a": 1},
        lambda: Parts(parts, fail), lambda: Parts(parts, 5), lambda: map(int, ["x"]),  # type: ignore[arg-type]
        lambda: (_ for _ in ()), lambda: LEFT,
    )  # fmt: skip
    return choice.choice(right if choice.random() < 0.85 else wrong)()


def stream(choice: Random, parts: list[Any], late_start: Callable[[], None] | None) -> Iterator[Any]:
    """A generator that waits, fails or yields what it must not."""
    if late_start is not None:
        late_start()
    for part in parts * choice.choice((0, 1, 1, 3, 20)):
        kind = choice.random()
        if kind < 0.05:
            cooperative.sleep(choice.choice((0, 0.001, 0.01)))
        elif kind < 0.08:
            raise choice.choice((Rude, StopIteration, GeneratorExit, SystemExit, KeyboardInterrupt, MemoryError))
        elif kind < 0.1:
            yield choice.choice((None, "text", 1, [], bytearray(b"x")))
        yield part


def fail() -> None:
    raise Rude("close")


def nothing(choice: Random, environ: Environ, start_response: StartResponse) -> None:
    """Leave the request alone, or fail at once."""
    if choice.random() < 0.02:
        raise choice.choice((Rude, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, RecursionError))


def read(choice: Random, environ: Environ, start_response: StartResponse) -> None:
    """Read the input with a random method and size."""
    source = environ["wsgi.input"]
    for _ in range(choice.choice((1, 2, 5))):
        size = choice.choice((-1, 0, 1, 5, 1000, 2**31 - 1, 2**40, -(2**31)))
        with contextlib.suppress(OverflowError, TypeError):
            choice.choice((
                source.read, lambda: source.read(size), source.readline, lambda: source.readline(size),
                source.readlines, lambda: source.readlines(size), lambda: list(source), lambda: source.read(None),
            ))()  # fmt: skip


def keep(choice: Random, environ: Environ, start_response: StartResponse) -> None:
    """Keep an object of this request, and use one of an earlier request."""
    LEFT.append(choice.choice((environ, environ["wsgi.input"], start_response)))
    kept = choice.choice(LEFT)
    with contextlib.suppress(Exception):
        kept("200 OK", []) if callable(kept) else kept.read(3)


def spoil(choice: Random, environ: Environ, start_response: StartResponse) -> None:
    """Change the environment."""
    if choice.random() < 0.3:
        environ.clear()
    else:
        for name in choice.sample(sorted(environ), 3):
            environ[name] = choice.choice((None, 1, "x", environ))
    environ.setdefault("wsgi.input", None)


def wait(choice: Random, environ: Environ, start_response: StartResponse) -> None:
    """Wait for time, for a descriptor or for another request or thread."""
    seconds = choice.choice((0, 0.0005, 0.002, 0.01))
    choice.choice((
        lambda: cooperative.sleep(seconds), lambda: _wait_for_peer(choice, seconds),
        lambda: _wait_for_thread(choice, seconds), lambda: _wait_for_event(seconds), _wake_the_others,
        lambda: _wait_where_others_do(choice, seconds), lambda: greenlet(lambda: cooperative.sleep(seconds)).switch(),
    ))()  # fmt: skip


def _wait_for_peer(choice: Random, seconds: float) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.suppress(TimeoutError, OSError, ValueError, RuntimeError):
        if choice.random() < 0.3:
            theirs.close()
        if choice.random() < 0.3:
            cooperative.wait_writable(ours.fileno(), 1)
        cooperative.wait_readable(choice.choice((ours.fileno(), ours.fileno(), -1, 10**6, 0)), seconds)


def _wait_for_thread(choice: Random, seconds: float) -> None:
    done = cooperative.Event()
    threading.Timer(choice.choice((0, 0.001, seconds)), done.set).start()
    done.wait(seconds)


def _wait_where_others_do(choice: Random, seconds: float) -> None:
    """Wait on the waiter and sockets that all requests share, or with invalid arguments."""
    from meinheld import server

    place, ours, theirs = SHARED
    choice.choice((
        lambda: place.park(seconds), place.unpark, lambda: server.wait(ours.fileno(), choice.randrange(-1, 9), seconds),
        lambda: theirs.send(b"x", socket.MSG_DONTWAIT), lambda: ours.recv(9, socket.MSG_DONTWAIT),
        lambda: server.wait(0), lambda: place.park("x"), lambda: server.wait(2**70, 1, 1),
    ))()  # fmt: skip


def _wait_for_event(seconds: float) -> None:
    event = cooperative.Event()
    EVENTS.append(event)
    event.wait(seconds * 3)


def _wake_the_others() -> None:
    while EVENTS:
        EVENTS.popleft().set()


def answer_early(choice: Random, environ: Environ, start_response: StartResponse) -> None:
    """Call `start_response` first, possibly once of several times."""
    if choice.random() < 0.5:
        start_response(choice.choice(STATUSES), [("X-First", "1")])
