"""The gunicorn worker that serves with threads, with the same limits and refusals as the other one."""

import io
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ExpectationFailed,
    InvalidHTTPVersion,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from app.config import Settings
from app.server.framing import Application, Environ, StartResponse
from app.server.lingering import Lingering
from app.server.meinheld.problems import problem, response

CHUNK = 65_536


class TooSlow(Exception):
    """A request did not arrive within its time; `begun` tells whether any of it did."""

    def __init__(self, begun: bool) -> None:
        super().__init__()
        self.begun = begun


REFUSALS: tuple[tuple[type[Exception], int], ...] = (
    (InvalidResponseHeader, 500),
    (InvalidResponseHeaderName, 500),
    (TooSlow, 408),
    (LimitRequestLine, 414),
    (LimitRequestHeaders, 431),
    (ExpectationFailed, 417),
    (InvalidHTTPVersion, 505),
    (ParseException, 400),
)


class _Budget:
    """A socket whose reads all together last until `deadline`, however slowly the bytes arrive."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._deadline, self._begun = sock, 0.0, False

    def start(self, seconds: float, begun: bool) -> None:
        """From now on the reads may last `seconds`."""
        self._deadline, self._begun = time.monotonic() + seconds, begun

    def recv(self, size: int) -> bytes:
        """As of a socket; raises TooSlow."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TooSlow(self._begun)
        self._sock.settimeout(left)
        try:
            data = self._sock.recv(size)
        except TimeoutError as error:
            raise TooSlow(self._begun) from error
        finally:
            self._sock.settimeout(None)
        self._begun = True
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class LimitedThreadWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's own worker with a time limit for headers and bodies and with problem documents."""

    def run(self) -> None:
        """Serve until told to stop."""
        self._lingering = Lingering(self.poller)
        super().run()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """In the loop: keep the connection, or let it linger."""
        conn.close = partial(self._hang_up, conn.sock)
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Called in each round of the loop."""
        super().murder_pending()
        self._lingering.expire()

    def _hang_up(self, sock: socket.socket, graceful: bool = False) -> None:
        if graceful:
            self._lingering.add(sock)
        else:
            sock.close()

    def handle(self, conn: Any) -> Any:
        """One request, whose headers must arrive within their time."""
        if not conn.initialized:
            conn.init()
            conn.parser.unreader.sock = _Budget(conn.sock)
            conn.data_ready = True
        conn.parser.unreader.sock.start(self.app.settings.header_timeout, begun=False)
        try:
            return super().handle(conn)
        except SystemExit as error:  # raised by the application: it must not end the worker
            self.handle_error(None, conn.sock, conn.client, error)
            return False

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The application's turn; the body has a time limit of its own."""
        conn.parser.unreader.sock.start(self.app.settings.body_timeout, begun=True)
        return super().handle_request(req, conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        """On the way out, take what has connected so far, for nobody else may."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                accepted = -1
                while self.nr_conns != accepted:
                    accepted = self.nr_conns
                    self.accept(listener)
                listener.close()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what cannot be served; a connection on which nothing was asked just ends."""
        if isinstance(exc, TooSlow) and not exc.begun:
            return
        status = _refusal(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request failed", exc_info=exc)
        try:
            client.sendall(response(status))
        except OSError:
            self.log.debug("The client has gone")


def _refusal(exc: BaseException) -> int:
    return next((status for kind, status in REFUSALS if isinstance(exc, kind)), 500)


def strict_requests(application: Application, settings: Settings) -> Application:
    """`application`, called with the whole body in memory and never with an ambiguous host, as under meinheld."""
    limit = settings.body_limit

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if _ambiguous(environ):
            return _refuse(start_response, 400)
        if "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "0") != "0":
            if int(environ.get("CONTENT_LENGTH") or 0) > limit:
                return _refuse(start_response, 413)
            try:
                body = _read(environ["wsgi.input"].read, limit)
            except TooSlow:
                return _refuse(start_response, 408)
            if len(body) > limit:
                return _refuse(start_response, 413)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return call


def _ambiguous(environ: Environ) -> bool:
    """A missing or second Host (RFC 9112, 3.2), or a transfer coding that nobody undoes (RFC 9112, 6.1)."""
    host = environ.get("HTTP_HOST")
    if "," in host if host is not None else environ["SERVER_PROTOCOL"] == "HTTP/1.1":
        return True
    return bool(environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower() != "chunked")


def _read(read: Callable[[int], bytes], limit: int) -> bytes:
    """The body, or a little more than `limit` of it."""
    parts, size = [], 0
    while size <= limit and (part := read(CHUNK)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _refuse(start_response: StartResponse, status: int) -> Iterable[bytes]:
    body = problem(status)
    headers = [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]
