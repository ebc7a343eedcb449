"""Cursors of the change feed: how far a reader is."""

import msgspec

from app.events.service import Position
from app.events.store import Place
from app.web.cursors import SealedCursors

VERSION = 1


class _Sealed(msgspec.Struct, array_like=True):
    version: int
    era: str
    place: tuple[int, int, int]
    walked: int | None


class ChangeCursors:
    """Cursors of the change feed."""

    def __init__(self, secret: bytes) -> None:
        self._sealed = SealedCursors(secret, b"cursors of changes", _Sealed)

    def seal(self, position: Position, walked: int | None) -> str:
        """`walked` is the last id of a walk through all postings that began at `position`; None: it is over."""
        place = position.place
        return self._sealed.seal(_Sealed(VERSION, position.era, (place.era, place.xid, place.id), walked))

    def open(self, cursor: str) -> tuple[Position, int | None]:
        """Raises Invalid for what was not sealed here."""
        sealed = self._sealed.open(cursor)
        return Position(sealed.era, Place(*sealed.place)), sealed.walked
