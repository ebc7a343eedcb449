"""The gunicorn worker that serves with threads, with the same limits and refusals as the other one."""

import errno
import io
import socket
import struct
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ExpectationFailed,
    InvalidHTTPVersion,
    InvalidRequestMethod,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.http.message import TOKEN_RE  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from app.infra.machine.descriptors import most_clients
from app.server.bodies import Bodies, BodyLimit
from app.server.framing import Application, Environ, StartResponse
from app.server.lingering import Lingering
from app.server.meinheld.problems import response
from app.server.refusals import Refusal, examine

CHUNK = 65_536
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TooSlow(Exception):
    """A request did not arrive in time; `begun` says whether any of it did."""

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
    """A socket whose reads share one deadline, however slowly the bytes arrive."""

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
        self._bodies = Bodies(self.app.settings.body_memory)
        self.worker_connections = most_clients(self.cfg.worker_connections)
        super().run()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Called in the loop: keep the connection or let it linger."""
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
            limit = struct.pack("ll", self.app.settings.body_timeout, 0)  # a timeval; sendall then raises EAGAIN
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        conn.parser.unreader.sock.start(self.app.settings.header_timeout, begun=False)
        try:
            return super().handle(conn)
        except SystemExit as error:  # raised by the application: it must not end the worker
            self.handle_error(None, conn.sock, conn.client, error)
            return False

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The application's turn; the body has a time limit of its own."""
        with self._bodies.held(examine(req, self.app.body_limit)):
            conn.parser.unreader.sock.start(self.app.settings.body_timeout, begun=True)
            try:
                return super().handle_request(req, conn)
            except BlockingIOError as error:  # SO_SNDTIMEO
                raise BrokenPipeError(errno.EPIPE, "the client does not take its answer") from error

    def accept(self, listener: socket.socket) -> None:
        """New connections wait in the kernel's queue while there are no descriptors or no memory for them."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise

    def set_accept_enabled(self, enabled: bool) -> None:
        """When stopping, first accept the connections already in the queue: no other worker will accept them."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                accepted = -1
                while self.nr_conns != accepted:
                    accepted = self.nr_conns
                    self.accept(listener)
                listener.close()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Send an error response; a connection on which no request began is just closed."""
        if isinstance(exc, TooSlow) and not exc.begun:
            return
        status = _refusal(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request failed", exc_info=exc)
        try:
            client.sendall(response(status, with_body=req is None or req.method != "HEAD", lines=self._lines_for(req)))
        except OSError:
            self.log.debug("The client has gone")

    def _lines_for(self, req: Any) -> str:
        """CORS header lines for the origin of the request, if its headers could be read."""
        lines: dict[str, str] = self.app.refusal_lines
        origin = next((value for name, value in getattr(req, "headers", ()) if name == "ORIGIN"), None)
        return "" if origin is None else lines.get(origin, lines.get("*", ""))


def _refusal(exc: BaseException) -> int:
    if isinstance(exc, Refusal):
        return exc.status
    if isinstance(exc, InvalidRequestMethod) and TOKEN_RE.fullmatch(exc.method):
        return HTTPStatus.NOT_IMPLEMENTED
    if isinstance(exc, InvalidHTTPVersion) and isinstance(exc.version, str):  # none of the form that versions have
        return HTTPStatus.BAD_REQUEST
    return next((status for kind, status in REFUSALS if isinstance(exc, kind)), 500)


def whole_requests(application: Application, body_limit: BodyLimit) -> Application:
    """Wrap `application` to get the whole body in memory and a flag for escaped paths, as under meinheld."""

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        declared = environ.get("CONTENT_LENGTH")
        if "%" in environ["RAW_URI"].partition("?")[0]:
            environ["jobfinder.escaped_path"] = True
        if "HTTP_TRANSFER_ENCODING" in environ or (declared or "0") != "0":
            limit = body_limit(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            body = _read(environ["wsgi.input"].read, limit)
            if len(body) > limit:
                raise Refusal(413)
            if declared and len(body) < int(declared):  # the client has gone (RFC 9112, 8)
                raise Refusal(400)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return call


def _read(read: Callable[[int], bytes], limit: int) -> bytes:
    """The body, cut one byte above `limit`."""
    parts, size = [], 0
    while size <= limit and (part := read(min(CHUNK, limit + 1 - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
