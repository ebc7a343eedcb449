"""What goes over the wires: events to clients, and the few messages that clients may send."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from app.events.service import Position
from app.events.streams.service import spell

SESSION_ENDED, OTHER_SESSION, TOKEN_EXPIRED = (
    "the session has ended",
    "another session's token",
    "the token has expired",
)
UNAUTHENTICATED = 4401
RESTART, TOO_SLOW, POLICY = 1012, 1013, 1008


class Event(msgspec.Struct, frozen=True):
    """`type` is one of an event of the account, or of the connection itself: ready, ping, resync, renewed, closing.

    A client that keeps the last `id` and gives it when it connects again misses nothing and gets nothing twice.
    """

    id: str
    type: str
    at: datetime
    data: dict[str, Any] = {}


class Authenticate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="authenticate"):
    """The first message of a WebSocket without Authorization header, and again with each renewed token."""

    token: str
    resume: str = ""


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Authenticate).decode


def own(kind: str, position: Position, data: dict[str, Any] | None = None) -> Event:
    """An event of the connection itself."""
    return Event(spell(position), kind, datetime.now(UTC), data or {})
