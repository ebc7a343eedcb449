"""Speaks HTTP with a new client: probes are answered, the two endpoints become a wire with a channel."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import cast

import msgspec
from websockets.http11 import Request
from websockets.server import ServerProtocol

from app.config import Settings
from app.errors import BadRequest, Forbidden, InvalidToken, NotFound, ProductError, RateLimited, Unavailable
from app.health.processes import Answer
from app.realtime.channel import Channel
from app.realtime.hub import Hub
from app.realtime.messages import POLICY, UNAUTHENTICATED, Authenticate, decode
from app.realtime.wires import MESSAGE_BYTES, EventStream, WebSocket
from app.web.cors import TAKEN
from app.web.errors import PROBLEM_TYPE, Refusal
from app.web.middleware import AUTHORIZATION, bearer_token

SOCKET_PATH, EVENTS_PATH = "/api/v1/realtime", "/api/v1/realtime/events"
HEAD_BYTES = 32_768
UNANNOUNCED_S = 10.0
"""A client has so long to send its request, and its token."""
UNTAKEN_MS = 60_000
"""The kernel ends a connection whose peer has acknowledged nothing for so long (tcp(7)); a `ping` goes every 25 s."""
TRY_LATER = 1013
_CLOSE = {InvalidToken.status: UNAUTHENTICATED, RateLimited.status: POLICY, Unavailable.status: TRY_LATER}


@dataclass(slots=True)
class Desk:
    """What every connection of the process uses. `probe` answers other paths, such as /metrics."""

    settings: Settings
    hub: Hub
    probe: Callable[[str], Answer | None]
    most: int
    open: int = 0


class Connection(asyncio.Protocol):
    """One TCP connection; only one request is answered on it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._protocol: ServerProtocol | None = ServerProtocol(extensions=None, max_size=MESSAGE_BYTES)
        self._taken = 0
        self._wire: WebSocket | EventStream | None = None
        self._channel: Channel | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        line = transport.get_extra_info("socket")
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS)
        self._desk.open += 1
        self._late = asyncio.get_running_loop().call_later(UNANNOUNCED_S, self._too_late)
        if self._desk.open > self._desk.most:
            self._refuse(Unavailable("there are too many connections"))

    def data_received(self, data: bytes) -> None:
        if isinstance(self._wire, WebSocket):
            self._wire.receive(data)
            return
        self._taken += len(data)
        if self._taken > HEAD_BYTES or self._wire is not None or self._protocol is None:
            self._transport.abort()
            return
        self._protocol.receive_data(data)
        found = self._protocol.events_received()
        if found and isinstance(found[0], Request) and len(found) == 1 and not self._protocol.reader.buffer:
            self._route(found[0], self._protocol)
        elif found or self._protocol.close_expected():
            self._refuse(BadRequest("the request is not well-formed"))

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        if self._wire is not None:
            self._wire.paused = True

    def resume_writing(self) -> None:
        if self._wire is not None:
            self._wire.paused = False
        if self._channel is not None:
            self._channel.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._desk.open -= 1
        self._late.cancel()
        self._gone()
        self._protocol = None

    def _route(self, request: Request, protocol: ServerProtocol) -> None:
        path = request.path.removeprefix(self._desk.settings.path_prefix)
        try:
            if request.method == "GET" and (answer := self._desk.probe(request.path)):
                self._answer(*answer, {})
            elif path not in (SOCKET_PATH, EVENTS_PATH):
                raise BadRequest("no parameters are taken") if "?" in path else NotFound
            elif request.method == "OPTIONS":
                self._answer(204, "", b"", self._cors(request) | _PREFLIGHT)
            elif request.method != "GET":
                raise BadRequest("only GET is answered")
            else:
                self._open(request, protocol, path)
        except ProductError as error:
            self._refuse(error, self._cors(request))

    def _open(self, request: Request, protocol: ServerProtocol, path: str) -> None:
        self._check_origin(request)
        given = request.headers.get_all("Authorization")
        token = bearer_token({AUTHORIZATION: given[0] if given else ""}) if given or path == EVENTS_PATH else ""
        last = request.headers.get_all("Last-Event-ID")
        resume = last[0] if last else ""
        if path == EVENTS_PATH:
            self._stream(token, resume, self._cors(request))
        else:
            self._upgrade(request, protocol, token, resume)

    def _stream(self, token: str, resume: str, cors: dict[str, str]) -> None:
        head = _head(200, "text/event-stream", cors | {"X-Accel-Buffering": "no"})
        wire = EventStream(self._transport, head, lambda error: self._refuse(error, cors))
        self._keep(wire, self._desk.hub.admit(wire, token, resume))

    def _upgrade(self, request: Request, protocol: ServerProtocol, token: str, resume: str) -> None:
        wire = WebSocket(self._transport, protocol, self._hear, self._gone)
        response = protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._transport.write(response.serialize())
            self._transport.close()
            return
        channel = self._desk.hub.admit(wire, token, resume) if token else None
        protocol.send_response(response)
        self._transport.write(b"".join(protocol.data_to_send()))
        self._wire = wire
        if channel is not None:
            self._keep(wire, channel)

    def _keep(self, wire: WebSocket | EventStream, channel: Channel) -> None:
        self._late.cancel()
        self._wire, self._channel, self._protocol = wire, channel, None

    def _hear(self, text: bytes) -> None:
        wire = self._wire
        if not isinstance(wire, WebSocket):
            return
        try:
            message = decode(text)
        except (msgspec.DecodeError, RecursionError):
            self._gone()
            wire.close(POLICY, 'expected {"type": "authenticate", "token": ..., "resume": ...}')
            return
        if self._channel is not None:
            self._desk.hub.renew(self._channel, message.token)
        else:
            self._introduce(wire, message)

    def _introduce(self, wire: WebSocket, message: Authenticate) -> None:
        try:
            self._keep(wire, self._desk.hub.admit(wire, message.token, message.resume))
        except (InvalidToken, RateLimited, Unavailable) as error:
            self._desk.hub.refusals[error.status] += 1
            limited = isinstance(error, RateLimited)
            wire.close(_CLOSE[error.status], "too many connections of this account" if limited else error.detail)

    def _check_origin(self, request: Request) -> None:
        origins = self._desk.settings.cors_origins
        given = request.headers.get_all("Origin")
        allowed = "*" in origins or all(each in origins or each == self._own_origin() for each in given)
        if not allowed:
            raise Forbidden("pages of this origin may not call the API; see CORS_ORIGINS")

    def _own_origin(self) -> str:
        return "/".join(self._desk.settings.public_url.split("/")[:3])

    def _cors(self, request: Request) -> dict[str, str]:
        origins, given = self._desk.settings.cors_origins, request.headers.get_all("Origin")
        if "*" in origins:
            return {"Access-Control-Allow-Origin": "*"}
        if given and given[0] in origins:
            return {"Access-Control-Allow-Origin": given[0], "Vary": "Origin"}
        return {"Vary": "Origin"} if origins else {}

    def _refuse(self, error: ProductError, headers: Mapping[str, str] | None = None) -> None:
        document = {"detail": error.detail} if error.detail else {}
        problem = Refusal(f"urn:jobfinder:problem:{error.code}", error.title, error.status, error.code)
        body = msgspec.json.encode(msgspec.to_builtins(problem) | document)
        self._desk.hub.refusals[error.status] += 1
        self._answer(error.status, PROBLEM_TYPE, body, {**(headers or {}), **error.headers()})

    def _answer(self, status: int, kind: str, body: bytes, headers: Mapping[str, str]) -> None:
        self._transport.write(_head(status, kind, {**headers, "Content-Length": str(len(body))}) + body)
        self._transport.close()

    def _gone(self) -> None:
        if self._channel is not None:
            self._channel.gone()

    def _too_late(self) -> None:
        if isinstance(self._wire, WebSocket):
            self._wire.close(UNAUTHENTICATED, "no token was sent")
        else:
            with suppress(RuntimeError):
                self._transport.abort()


_PREFLIGHT = {"Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": f"{TAKEN}, Last-Event-ID"}


def _head(status: int, kind: str, headers: Mapping[str, str]) -> bytes:
    lines = {"Date": formatdate(usegmt=True), "Cache-Control": "no-store", "Connection": "close", **headers}
    if kind:
        lines["Content-Type"] = kind
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{text}\r\n".encode()
