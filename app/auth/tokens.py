"""Access tokens: JWTs (RFC 9068) with a pinned algorithm (RFC 8725), verified once, then remembered by the worker."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt
from msgspec import Struct

from app.config import Settings
from app.errors import InvalidToken
from app.infra.secrets.key_ring import KeyRing
from app.web.converters import parse_id

REMEMBERED_TOKENS = 10_000
# The clock of the pod that issued a token may be ahead of this one's, and `iat` sets no beginning (RFC 7519, 4.1.6).
_CHECKS: Any = {"require": ["iss", "aud", "sub", "sid", "jti", "iat", "exp"], "verify_iat": False}


class Claims(Struct, frozen=True):
    """What a verified token says; `expires_at` is in seconds since 1970."""

    user_id: int
    session_id: int
    expires_at: int


class AccessTokens:
    """Issues and verifies; a signature proves who made a token, never that its session still lives."""

    def __init__(self, keys: KeyRing, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._clock = keys, clock
        self._algorithm, self._issuer, self._audience = (
            settings.jwt_algorithm,
            settings.jwt_issuer,
            settings.jwt_audience,
        )
        self.life_seconds = settings.access_token_seconds
        self._remembered: tuple[int, dict[str, Claims]] = (keys.version, {})

    def issue(self, user_id: int, session_id: int) -> str:
        """A new token of that session, signed with the key that signs now."""
        now = int(self._clock())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + self.life_seconds,
        }
        signing = self._keys.signing
        return jwt.encode(claims, signing.key, self._algorithm, headers={"typ": "at+jwt", "kid": signing.kid})

    def verify(self, token: str) -> Claims:
        """The claims of a token that is signed by a key of ours and has not expired; raises InvalidToken."""
        keys_version, remembered = self._remembered
        if keys_version != self._keys.version:
            # A thread that still verifies with the old keys remembers in the old dictionary, which nobody asks again.
            remembered = {}
            self._remembered = (self._keys.version, remembered)
        claims = remembered.get(token)
        if claims is None:
            claims = self._decode(token)
            _remember(remembered, token, claims)
        if claims.expires_at <= self._clock():
            remembered.pop(token, None)
            raise InvalidToken("the token has expired")
        return claims

    def _decode(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.verifying(str(header.get("kid", "")))
            if key is None or str(header.get("typ", "")).lower() not in ("at+jwt", "application/at+jwt"):
                raise InvalidToken("the token is not one of this service")
            claims = jwt.decode(
                token, key, algorithms=[self._algorithm], audience=self._audience, issuer=self._issuer,
                options=_CHECKS,
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise InvalidToken("the token has expired") from None
        except (jwt.PyJWTError, ValueError):
            raise InvalidToken("the token is not one of this service") from None
        return _claims(claims)


def _remember(remembered: dict[str, Claims], token: str, claims: Claims) -> None:
    """Add one; the oldest go where there are too many."""
    while len(remembered) >= REMEMBERED_TOKENS:
        with suppress(RuntimeError, StopIteration):  # another thread has changed the dictionary in between
            remembered.pop(next(iter(remembered)), None)
    remembered[token] = claims


def _claims(claims: dict[str, Any]) -> Claims:
    user_id, session_id = parse_id(str(claims["sub"])), parse_id(str(claims["sid"]))
    if user_id is None or session_id is None:
        raise InvalidToken("the token is not one of this service")
    return Claims(user_id, session_id, int(claims["exp"]))
