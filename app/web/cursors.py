"""Cursors that clients bring back: a value with a MAC against forged ones."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Generic, TypeVar

import msgspec

from app.errors import FieldError, Invalid

CURSOR_PATTERN = "^[A-Za-z0-9_-]+$"
_MAC_BYTES = 12

T = TypeVar("T")


class SealedCursors(Generic[T]):
    """Cursors of one `purpose`; `secret` is the same for all workers, so that each accepts those of the others."""

    def __init__(self, secret: bytes, purpose: bytes, kind: type[T]) -> None:
        self._key = hashlib.blake2b(purpose, key=secret[:64], digest_size=32).digest()
        self._kind = kind

    def seal(self, value: T) -> str:
        text = msgspec.msgpack.encode(value)
        return urlsafe_b64encode(self._mac(text) + text).decode().rstrip("=")

    def open(self, cursor: str) -> T:
        """Raises Invalid for what was not sealed here."""
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            if not hmac.compare_digest(data[:_MAC_BYTES], self._mac(data[_MAC_BYTES:])):
                raise ValueError("it was not sealed here")
            return msgspec.msgpack.decode(data[_MAC_BYTES:], type=self._kind)
        except (ValueError, msgspec.DecodeError):
            raise Invalid([FieldError("cursor", "invalid", "this is no cursor of this service")]) from None

    def _mac(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=_MAC_BYTES).digest()
