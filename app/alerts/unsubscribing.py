"""Tokens that end alerts: a MAC of the account and of one of its searches, or of all.

They work as long as the account exists, however often: a mail program may use an old mail's. They can do nothing else.
"""

import base64
import hmac
import struct
from typing import NamedTuple

from app.errors import NotFound

_BOUND = struct.Struct(">QQ")
_MAC_BYTES = 26  # so that the text needs no padding


class InvalidToken(NotFound):
    """The token was not made by this service."""

    code, title = "invalid_link", "The link does not work, or no longer"


class Stopped(NamedTuple):
    """Whose alerts a token ends: those of one search, of all where it is None."""

    user_id: int
    search_id: int | None


class UnsubscribeTokens:
    """`key` is a secret of at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"jobfinder unsubscribing", "sha256")

    def make(self, user_id: int, search_id: int | None = None) -> str:
        """The token, which is the same each time."""
        bound = _BOUND.pack(user_id, search_id or 0)
        return base64.urlsafe_b64encode(bound + self._mac(bound)).decode()

    def read(self, token: str) -> Stopped:
        """Raises InvalidToken."""
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
            user_id, search_id = _BOUND.unpack_from(data)
        except (ValueError, struct.error):
            raise InvalidToken from None
        if not hmac.compare_digest(data[_BOUND.size :], self._mac(data[: _BOUND.size])):
            raise InvalidToken
        return Stopped(user_id, search_id or None)

    def _mac(self, bound: bytes) -> bytes:
        return hmac.digest(self._key, bound, "sha256")[:_MAC_BYTES]
