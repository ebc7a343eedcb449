"""Access tokens: JWTs (RFC 9068) with a fixed algorithm (RFC 8725); each worker caches the tokens it has verified."""

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
# `iat` is not checked: the issuing pod's clock may be ahead of this one's, and `iat` is not a start time (RFC 7519,
# 4.1.6).
_CHECKS: Any = {"require": ["iss", "aud", "sub", "sid", "jti", "iat", "exp"], "verify_iat": False}


class Claims(Struct, frozen=True):
    """The claims of a verified token; `expires_at` is in seconds since 1970."""

    user_id: int
    session_id: int
    expires_at: int


class AccessTokens:
    """Issues and verifies tokens. A valid signature does not say that the session is still live."""

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
        """A new token for this session, signed with the current signing key."""
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
        """The claims of a token; raises InvalidToken if its signature is not valid or it has expired."""
        keys_version, remembered = self._remembered
        if keys_version != self._keys.version:
            # A thread that still verifies with the old keys writes to the old dictionary, which is no longer read.
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
                raise InvalidToken("the token was not issued by this service")
            claims = jwt.decode(
                token, key, algorithms=[self._algorithm], audience=self._audience, issuer=self._issuer,
                options=_CHECKS,
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise InvalidToken("the token has expired") from None
        except (jwt.PyJWTError, ValueError):
            raise InvalidToken("the token was not issued by this service") from None
        return _claims(claims)


def _remember(remembered: dict[str, Claims], token: str, claims: Claims) -> None:
    """Add a token; the oldest are dropped beyond REMEMBERED_TOKENS."""
    while len(remembered) >= REMEMBERED_TOKENS:
        with suppress(RuntimeError, StopIteration):  # another thread changed the dictionary
            remembered.pop(next(iter(remembered)), None)
    remembered[token] = claims


def _claims(claims: dict[str, Any]) -> Claims:
    user_id, session_id = parse_id(str(claims["sub"])), parse_id(str(claims["sid"]))
    if user_id is None or session_id is None:
        raise InvalidToken("the token was not issued by this service")
    return Claims(user_id, session_id, int(claims["exp"]))
