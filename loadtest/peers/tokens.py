"""Access tokens of the peers: HS256 with a secret of their own, or those of our service for the strawberry peer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from app.config import Settings

LIFE_S = 7200
SESSION_S = Settings().session_seconds
_ISSUER, _AUDIENCE = "jobfinder", "jobfinder-api"
Verify = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class PeerTokens:
    """Tokens with the claims that the Rust peer's have, verified anew with every request."""

    secret: str

    def issue(self, user_id: int, session_id: int) -> str:
        claims = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": str(user_id), "sid": str(session_id)}
        return jwt.encode(claims | {"exp": int(time.time()) + LIFE_S}, self.secret, "HS256")

    def session_of(self, token: str) -> int:
        """Raises jwt.InvalidTokenError."""
        claims = jwt.decode(
            token,
            self.secret,
            algorithms=["HS256"],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={"require": ["exp", "sub", "sid"]},
        )
        return int(claims["sid"])


async def keep(connection: Any) -> None:
    """Replaces asyncpg's reset of a connection that returns to the pool, which costs a round trip."""


def verifier(public_key: Any, settings: Settings) -> Verify:
    """A function that checks signature and claims of a token of our service."""

    def verify(token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            public_key,
            algorithms=[settings.jwt_algorithm],
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            options={"require": ["exp", "sub", "sid"]},
        )

    return verify


def remembering(verify: Verify) -> Verify:
    """A function that checks the signature of a token only once, as our service does."""
    known: dict[str, dict[str, Any]] = {}

    def recall(token: str) -> dict[str, Any]:
        claims = known.get(token)
        if claims is None:
            claims = known[token] = verify(token)
        if claims["exp"] <= time.time():
            raise jwt.ExpiredSignatureError
        return claims

    return recall
