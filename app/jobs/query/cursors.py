"""Cursors: the position in the results of one search, with a MAC against forged ones."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.errors import FieldError, Invalid
from app.jobs.query.pages.store import Key

VERSION = 1
MAC_BYTES = 12
CURSOR_PATTERN = "^[A-Za-z0-9_-]+$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Sealed(msgspec.Struct, array_like=True):
    version: int
    search: bytes
    tier: int
    values: list[int]


class Cursors:
    """`secret` is the same for all workers, so that each accepts the cursors of the others."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(b"cursors of searches", key=secret[:64], digest_size=32).digest()

    def seal(self, search: bytes, key: Key) -> str:
        """`search` names the search to which the cursor belongs."""
        values = [_microseconds(value) if isinstance(value, datetime) else value for value in key.values]
        text = msgspec.msgpack.encode(_Sealed(VERSION, search, key.tier, values))
        return urlsafe_b64encode(self._mac(text) + text).decode().rstrip("=")

    def open(self, cursor: str, search: bytes, sort: str) -> Key:
        """Raises Invalid for what was not sealed here, and for a cursor of another search."""
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            if not hmac.compare_digest(data[:MAC_BYTES], self._mac(data[MAC_BYTES:])):
                raise ValueError("it was not sealed here")
            sealed = msgspec.msgpack.decode(data[MAC_BYTES:], type=_Sealed)
        except (ValueError, msgspec.DecodeError):
            raise _refused("invalid", "this is no cursor of this service") from None
        if sealed.version != VERSION or sealed.search != search:
            raise _refused("other_search", "the cursor belongs to another search: begin without it")
        return Key(sealed.tier, _values(sealed.values, sort))

    def _mac(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=MAC_BYTES).digest()


def _values(values: list[int], sort: str) -> tuple[Any, ...]:
    """The last but one is the time of publication, unless distances are sorted."""
    if sort == "distance":
        return tuple(values)
    return (*values[:-2], _EPOCH + values[-2] * _MICROSECOND, values[-1])


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _refused(code: str, message: str) -> Invalid:
    return Invalid([FieldError("cursor", code, message)])
