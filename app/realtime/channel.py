"""One client's stream of events: what waits to be sent, and up to where it has been told everything."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from app.auth.tokens import Claims
from app.coherence import session_key, user_key
from app.events.service import Position
from app.events.store import Place
from app.realtime.messages import TOO_SLOW, Event, encode, own

QUEUE_BYTES = 262_144
WRITE_BYTES = 16_384


class Wire(Protocol):
    """How events reach a client. `ready` is False while the client has not taken what was written before."""

    @property
    def ready(self) -> bool: ...
    def frame(self, event: Event, text: bytes) -> bytes: ...
    def write(self, frames: bytes) -> None: ...
    def close(self, code: int, reason: str) -> None: ...


class Channel:
    """Used only in the event loop. `may_send` decides at each write; `ended` is called once, however it ends.

    `after` is the last event that was taken for this client; an earlier one is not taken again. While `replaying`,
    nothing is sent: what the client has missed comes first.
    """

    __slots__ = (
        "_ended",
        "_may_send",
        "_pending",
        "_size",
        "after",
        "checked_ns",
        "claims",
        "closed",
        "doubted",
        "ends_at",
        "keys",
        "mark",
        "pinged_at",
        "replaying",
        "token",
        "wire",
    )

    def __init__(
        self, wire: Wire, token: str, claims: Claims, may_send: Callable[["Channel"], bool],
        ended: Callable[["Channel", int], object],
    ) -> None:  # fmt: skip
        self.wire, self.token, self.claims = wire, token, claims
        self.keys = (session_key(claims.session_id), user_key(claims.user_id))
        self.closed = self.replaying = False
        self.doubted, self.mark, self.checked_ns = True, 0, 0
        self.ends_at = 0.0
        self.pinged_at = 0.0
        self.after = Place()
        self._ended = ended
        self._may_send = may_send
        self._pending: deque[bytes] = deque()
        self._size = 0

    @property
    def waiting(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._pending)

    def offer(self, event: Event, text: bytes, place: Place) -> None:
        """Take an event that came live, unless it was taken before."""
        if place > self.after and not self.closed:
            self.after = place
            self._queue(event, text)
            self.flush()

    def say(self, kind: str, position: Position, data: dict[str, object] | None = None) -> None:
        """Send an event of the connection itself."""
        event = own(kind, position, data)
        if not self.closed:
            self._queue(event, encode(event))
            self.flush()

    def replayed(self, ready: list[Event]) -> None:
        """Send what was missed, before what has come since."""
        since, self._pending, self._size = self._pending, deque(), 0
        self.replaying = False
        for event in ready:
            self._queue(event, encode(event))
        self._pending.extend(since)
        self._size += sum(map(len, since))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the client takes it and its session is known to live."""
        while self._pending and not self.replaying and self.wire.ready and self._may_send(self):
            frames = self._pending.popleft()
            while self._pending and len(frames) + len(self._pending[0]) <= WRITE_BYTES:
                frames += self._pending.popleft()
            self._size -= len(frames)
            self.wire.write(frames)

    def end(self, code: int, reason: str) -> None:
        """Drop what waits and close the connection."""
        if not self.closed:
            self.gone(code)
            self.wire.close(code, reason)

    def gone(self, code: int = 0) -> None:
        """The connection is closed, by the client if `code` is 0."""
        if not self.closed:
            self.closed = True
            self._pending.clear()
            self._size = 0
            self._ended(self, code)

    def _queue(self, event: Event, text: bytes) -> None:
        if self.closed:
            return
        frame = self.wire.frame(event, text)
        self._pending.append(frame)
        self._size += len(frame)
        if self._size > QUEUE_BYTES:
            self.end(TOO_SLOW, "events are not read fast enough")
