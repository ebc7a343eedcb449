"""Tokens of links: an id, and a MAC of the link's random nonce and of all that the link is bound to.

The database keeps the nonce and a hash of the token. So neither a copy of the database nor the key alone is enough to
make a token, and the worker that sends the mail can make it without its being stored.
"""

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["verify", "change", "recover", "invite"]
NONCE_BYTES = 32
_ID = struct.Struct(">Q")
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Bound:
    """What a token is bound to."""

    purpose: Purpose
    user_id: int
    email: str
    nonce: bytes


class LinkTokens:
    """`key` is a secret of at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"jobfinder links", "sha256")

    def mac(self, bound: Bound) -> bytes:
        """The secret part of the token."""
        text = f"{bound.purpose}\n{bound.user_id}\n{bound.email}\n".encode()
        return hmac.digest(self._key, bound.nonce + text, "sha256")


def token_hash(mac: bytes) -> bytes:
    """What the database stores; the MAC has full entropy, so plain SHA-256 is enough."""
    return hashlib.sha256(mac).digest()


def spell(link_id: int, mac: bytes) -> str:
    return base64.urlsafe_b64encode(_ID.pack(link_id) + mac).decode().rstrip("=")


def parse(token: str) -> tuple[int, bytes] | None:
    """(link id, MAC) of a token; None for text that `spell` cannot return."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        (link_id,) = _ID.unpack_from(data)
    except (ValueError, struct.error):
        return None
    mac = data[_ID.size :]
    if len(mac) != _MAC_BYTES or not 0 < link_id < 2**63 or spell(link_id, mac) != token:
        return None
    return link_id, mac
