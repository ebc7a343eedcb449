"""The gunicorn worker that serves with threads, with the same limits and refusals as the other one."""

import io
import socket
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHTTPVersion,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.config import Settings
from app.server.framing import Application, Environ, StartResponse
from app.server.meinheld.problems import problem, response

CHUNK = 65_536

REFUSALS: tuple[tuple[type[Exception], int], ...] = (
    (LimitRequestLine, 414),
    (LimitRequestHeaders, 431),
    (ExpectationFailed, 417),
    (InvalidHTTPVersion, 505),
    (ParseException, 400),
)


class TooSlow(Exception):  # noqa: N818
    """A request did not arrive within its time."""


class _Budget:
    """A socket whose reads all together last until `deadline`, however slowly the bytes arrive."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self.deadline = sock, 0.0

    def recv(self, size: int) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooSlow
        self._sock.settimeout(left)
        try:
            return self._sock.recv(size)
        except TimeoutError as error:
            raise TooSlow from error
        finally:
            self._sock.settimeout(None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class LimitedThreadWorker(ThreadWorker):
    """gunicorn's own worker with a time limit for headers and bodies and with problem documents."""

    def handle(self, conn: TConn) -> Any:
        """One request, whose headers must arrive within their time."""
        if conn.parser is None:
            conn.init()
            conn.parser.unreader.sock = _Budget(conn.sock)
            conn.data_ready = True
        conn.parser.unreader.sock.deadline = time.monotonic() + self.app.settings.header_timeout
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """The application's turn; the body has a time limit of its own."""
        conn.parser.unreader.sock.deadline = time.monotonic() + self.app.settings.body_timeout
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Answer what cannot be served."""
        status = 408 if isinstance(exc, TooSlow) else _refusal(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request failed", exc_info=exc)
        elif isinstance(exc, TooSlow) and req is None and not _begun(exc):
            return
        try:
            client.sendall(response(status))
        except OSError:
            self.log.debug("The client has gone")


def _refusal(exc: BaseException) -> int:
    return next((status for kind, status in REFUSALS if isinstance(exc, kind)), 500)


def _begun(exc: BaseException) -> bool:
    return True


def strict_requests(application: Application, settings: Settings) -> Application:
    """`application`, called with the whole body in memory and never with an ambiguous host, as under meinheld."""
    limit = settings.body_limit

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if "," in environ.get("HTTP_HOST", "") or ("HTTP_HOST" not in environ and environ["SERVER_PROTOCOL"] == "HTTP/1.1"):
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


def _read(read: Callable[[int], bytes], limit: int) -> bytes:
    """The body, or a little more than `limit` of it."""
    parts, size = [], 0
    while size <= limit and (part := read(CHUNK)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _refuse(start_response: StartResponse, status: int) -> Iterable[bytes]:
    body = problem(status)
    headers = [("content-type", "application/problem+json"), ("content-length", str(len(body))), ("connection", "close")]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]
