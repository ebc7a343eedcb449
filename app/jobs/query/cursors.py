"""Cursors: the position in the results of one search."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.errors import FieldError, Invalid
from app.jobs.query.pages.store import Key
from app.web.cursors import SealedCursors

VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Sealed(msgspec.Struct, array_like=True):
    version: int
    search: bytes
    tier: int
    values: list[int]


class Cursors:
    """Cursors of searches."""

    def __init__(self, secret: bytes) -> None:
        self._sealed = SealedCursors(secret, b"cursors of searches", _Sealed)

    def seal(self, search: bytes, key: Key) -> str:
        """`search` names the search to which the cursor belongs."""
        values = [_microseconds(value) if isinstance(value, datetime) else value for value in key.values]
        return self._sealed.seal(_Sealed(VERSION, search, key.tier, values))

    def open(self, cursor: str, search: bytes, sort: str) -> Key:
        """Raises Invalid for what was not sealed here, and for a cursor of another search."""
        sealed = self._sealed.open(cursor)
        if sealed.version != VERSION or sealed.search != search:
            message = "the cursor belongs to another search: begin without it"
            raise Invalid([FieldError("cursor", "other_search", message)])
        return Key(sealed.tier, _values(sealed.values, sort))


def _values(values: list[int], sort: str) -> tuple[Any, ...]:
    """The last but one is the time of publication, unless distances are sorted."""
    if sort == "distance":
        return tuple(values)
    return (*values[:-2], _EPOCH + values[-2] * _MICROSECOND, values[-1])


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
