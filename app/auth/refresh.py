"""Refresh tokens: token n of a family is an HMAC of key, family and n, so that a retry can get the identical token.

A token consists of session id, number and MAC. The database keeps only a hash of the current token's MAC: neither a
copy of the database alone nor the key alone is enough to make a valid token.
"""

import base64
import hashlib
import hmac
import struct
from collections.abc import Sequence
from typing import NamedTuple

from app.auth.records import Family
from app.errors import InvalidToken

FAMILY_BYTES = 16
GRACE_SECONDS = 10.0
_MAC_BYTES = 32
_HEAD = struct.Struct(">QI")


class Presented(NamedTuple):
    """The parts of a token as the client sent it, not yet verified."""

    session_id: int
    number: int
    mac: bytes


class RefreshTokens:
    """`key` is a secret of at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"jobfinder refresh tokens", "sha256")

    def mac(self, family: bytes, number: int) -> bytes:
        """The 32-byte MAC of token `number`; only the holder of the key can compute it."""
        return hmac.digest(self._key, family + number.to_bytes(8, "big"), "sha256")

    def made(self, given: Presented, family: bytes) -> bool:
        """Whether this service made the token, by its MAC."""
        return hmac.compare_digest(given.mac, self.mac(family, given.number))

    def next_number(self, given: Presented, family: Family) -> int | None:
        """The number of the token to return for `given`, or None for reuse.

        Raises InvalidToken for a token that this service did not make.
        """
        if not self.made(given, family.family):
            raise InvalidToken("the refresh token is not valid")
        if given.number == family.counter and not hmac.compare_digest(token_hash(given.mac), family.token_hash):
            return None
        return successor(given.number, family.counter, family.ages)

    @staticmethod
    def spell(session_id: int, number: int, mac: bytes) -> str:
        return base64.urlsafe_b64encode(_HEAD.pack(session_id, number) + mac).decode().rstrip("=")

    @staticmethod
    def parse(token: str) -> Presented:
        """Raises InvalidToken for text that `spell` cannot return."""
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            session_id, number = _HEAD.unpack_from(data)
        except (ValueError, struct.error):
            raise InvalidToken("the refresh token is not valid") from None
        mac = data[_HEAD.size :]
        if (
            len(mac) != _MAC_BYTES
            or not 0 < session_id < 2**63
            or RefreshTokens.spell(session_id, number, mac) != token
        ):
            raise InvalidToken("the refresh token is not valid")
        return Presented(session_id, number, mac)


def token_hash(mac: bytes) -> bytes:
    """The hash that the database stores; the MAC has full entropy, so plain SHA-256 is enough."""
    return hashlib.sha256(mac).digest()


def successor(number: int, present: int, ages: Sequence[float]) -> int | None:
    """The number of the token to return for token `number` while the current one is `present`; None for reuse.

    The current token is rotated. Its predecessor returns the current token at any time: no client has used the current
    one yet, so the response with it may have been lost. An older token returns it for GRACE_SECONDS after its rotation,
    because several holders of one token may refresh at once. `ages` are the seconds since tokens present - 1,
    present - 2, ... were rotated.
    """
    if number == present:
        return present + 1
    steps = present - number
    if steps == 1 or (1 < steps <= len(ages) and ages[steps - 1] <= GRACE_SECONDS):
        return present
    return None
