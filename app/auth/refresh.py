"""Refresh tokens: token n of a family is an HMAC of key, family and n, so that a retry can be given the identical one.

A token spells session, number and MAC; the database keeps a hash of the present one's MAC, so that neither a copy of
the database alone nor the key alone makes a token.
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
    """The parts of a token that somebody sent; nothing in it is proven yet."""

    session_id: int
    number: int
    mac: bytes


class RefreshTokens:
    """`key` is a secret of at least 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"jobfinder refresh tokens", "sha256")

    def mac(self, family: bytes, number: int) -> bytes:
        """256 bits that only the holder of the key can compute."""
        return hmac.digest(self._key, family + number.to_bytes(8, "big"), "sha256")

    def made(self, given: Presented, family: bytes) -> bool:
        """Whether this service has made the token."""
        return hmac.compare_digest(given.mac, self.mac(family, given.number))

    def next_number(self, given: Presented, family: Family) -> int | None:
        """The number of the token that the holder of `given` gets, None where that is reuse.

        Raises InvalidToken for a token that this service has not made.
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
        """Raises InvalidToken for anything that `spell` cannot have made."""
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
    """What the database keeps; the MAC has full entropy, so a plain hash is enough."""
    return hashlib.sha256(mac).digest()


def successor(number: int, present: int, ages: Sequence[float]) -> int | None:
    """What the holder of token `number` is given while the family is at `present`; None where that is reuse.

    The present token is rotated. Its parent gives it again, however late, for nobody has presented it yet: an answer
    may have been lost. An older one gives it while `ages`, the seconds since tokens present - 1, present - 2, ... were
    rotated away, are within the grace: several holders of one token may refresh at once.
    """
    if number == present:
        return present + 1
    steps = present - number
    if steps == 1 or (1 < steps <= len(ages) and ages[steps - 1] <= GRACE_SECONDS):
        return present
    return None
