"""The two ways in which events reach a client: WebSocket (RFC 6455) and Server-Sent Events (HTML standard)."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from app.errors import InvalidToken, ProductError, Unavailable
from app.realtime.messages import POLICY, UNAUTHENTICATED, Event, encode

MESSAGE_BYTES = 16_384
FRAMES_PER_S = 20
CLOSING_S = 3.0
UNREADABLE, UNSUPPORTED = 1007, 1003


@lru_cache(maxsize=16)
def _framed(text: bytes) -> bytes:
    """The frame of a text, which often goes to many clients at once."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


class _Wire:
    """What both have in common. A frame is given to the transport only while it holds nothing back."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.paused = self.shut = False

    @property
    def ready(self) -> bool:
        """Whether everything that was written before is with the kernel."""
        return not (self.paused or self.shut or self._transport.is_closing())

    def write(self, frames: bytes) -> None:
        """Hand frames to the kernel; what it does not take makes the wire unready."""
        self._transport.write(frames)

    def _shut(self, last: bytes) -> None:
        """Say a last word if the client has taken the others, and close within CLOSING_S."""
        ready, self.shut = self.ready, True
        if not ready:
            self._transport.abort()
            return
        self._transport.write(last)
        asyncio.get_running_loop().call_later(CLOSING_S, self._transport.abort)


class EventStream(_Wire):
    """Server-Sent Events. `head` is the response's, sent with the first event; until then it may be refused instead."""

    def __init__(self, transport: asyncio.Transport, head: bytes, refuse: Callable[[ProductError], object]) -> None:
        super().__init__(transport)
        self._head, self._refuse = head, refuse

    def frame(self, event: Event, text: bytes) -> bytes:
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (event.id.encode(), event.type.encode(), text)

    def write(self, frames: bytes) -> None:
        """As described above, after the head."""
        head, self._head = self._head, b""
        super().write(head + frames)

    def close(self, code: int, reason: str) -> None:
        """Say why in an event `closing` without an id, and end the response."""
        if self._head:
            self.shut = True
            self._refuse(InvalidToken(reason) if code == UNAUTHENTICATED else Unavailable(reason))
            return
        data = encode({"type": "closing", "data": {"code": code, "reason": reason}})
        self._shut(b"event: closing\ndata: %s\n\n" % data)
        self._transport.close()


class WebSocket(_Wire):
    """`heard` gets the text of each message of the client; `gone` is called when the client closes."""

    def __init__(
        self, transport: asyncio.Transport, protocol: ServerProtocol, heard: Callable[[bytes], object],
        gone: Callable[[], object],
    ) -> None:  # fmt: skip
        super().__init__(transport)
        self._protocol, self._heard, self._gone = protocol, heard, gone
        self._message = bytearray()
        self._budget, self._refilled_at = float(FRAMES_PER_S), time.monotonic()

    def frame(self, event: Event, text: bytes) -> bytes:
        return _framed(text)

    def close(self, code: int, reason: str) -> None:
        """Send the close frame; the client is given a moment to answer it."""
        with suppress(WebSocketException):
            self._protocol.send_close(code, reason)
        self._shut(b"".join(self._protocol.data_to_send()))

    def receive(self, data: bytes) -> None:
        """Take bytes of the client; ends the connection for what RFC 6455, or the limits, do not allow."""
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and not self.shut:
                self._take(frame)
        self._answer()

    def _take(self, frame: Frame) -> None:
        now = time.monotonic()
        self._budget = min(self._budget + (now - self._refilled_at) * FRAMES_PER_S, FRAMES_PER_S) - 1
        self._refilled_at = now
        if self._budget < 0:
            self._refuse(POLICY, "too many messages")
        elif frame.opcode == Opcode.CLOSE:
            self._gone()
        elif frame.opcode == Opcode.BINARY:
            self._refuse(UNSUPPORTED, "messages are text")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._message += frame.data
            if frame.fin:
                message, self._message = bytes(self._message), bytearray()
                self._hear(message)

    def _hear(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError:
            self._refuse(UNREADABLE, "the message is not UTF-8")
        else:
            self._heard(message)

    def _refuse(self, code: int, reason: str) -> None:
        self._gone()
        self.close(code, reason)

    def _answer(self) -> None:
        """Write the protocol's own frames: pongs, and the close frame after a violation."""
        frames = self._protocol.data_to_send()
        if not self.shut:
            self._transport.write(b"".join(frames))
        if self._transport.get_write_buffer_size() > MESSAGE_BYTES:
            self._gone()
            self._transport.abort()  # pings are sent, and their answers not read
        elif b"" in frames:  # SEND_EOF
            self._gone()
            self._transport.close()
