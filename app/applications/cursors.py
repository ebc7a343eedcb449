"""Cursors of lists of applications: the last id of the page, and which list it is of."""

import msgspec

from app.errors import FieldError, Invalid
from app.web.converters import GREATEST_ID
from app.web.cursors import SealedCursors

VERSION = 1


class _Sealed(msgspec.Struct, array_like=True):
    version: int
    listed: str
    last: int


class ApplicationCursors:
    """`listed` names a list with everything that it is filtered by; a cursor of another one is refused."""

    def __init__(self, secret: bytes) -> None:
        self._sealed = SealedCursors(secret, b"cursors of applications", _Sealed)

    def seal(self, listed: str, last: int) -> str:
        return self._sealed.seal(_Sealed(VERSION, listed, last))

    def before(self, listed: str, cursor: str | None) -> int:
        """The id below which the page begins; raises Invalid."""
        if cursor is None:
            return GREATEST_ID
        sealed = self._sealed.open(cursor)
        if (sealed.version, sealed.listed) != (VERSION, listed):
            message = "the cursor belongs to another list: begin without it"
            raise Invalid([FieldError("cursor", "other_list", message)])
        return sealed.last
