"""The reference service: FastAPI, pydantic, PyJWT and asyncpg under uvicorn with uvloop and httptools.

It implements `GET /api/v1/users/me` as these projects' documentation advises: a security dependency verifies the
signature, one prepared statement reads the session and its user directly from PostgreSQL (a pooler would only slow it
down), and a response model. It has nothing else: no limits, entity tags, counters or request ids.
"""

import argparse
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from app.auth.store import FIND_SESSION
from app.config import Settings

SESSION_S = Settings().session_seconds
Verify = Callable[[str], dict[str, Any]]


class Profile(BaseModel):
    """A user as its owner sees it."""

    id: int
    email: str
    name: str
    headline: str
    created_at: datetime
    updated_at: datetime
    version: int


async def keep(connection: Any) -> None:
    """Replaces asyncpg's reset of a connection that returns to the pool, which costs a round trip."""


def verifier(public_key: Any, settings: Settings) -> Verify:
    """A function that checks signature and claims of a token."""

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


def create_app(database_url: str, verify: Verify) -> FastAPI:
    """The application with a pool of 10 connections, asyncpg's default."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, reset=keep) as pool:
            app.state.pool = pool
            yield

    async def current_user(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
    ) -> asyncpg.Record:
        try:
            claims = verify(credentials.credentials)
        except jwt.InvalidTokenError:
            raise HTTPException(401, "invalid token") from None
        user = await request.app.state.pool.fetchrow(FIND_SESSION.sql, int(claims["sid"]), SESSION_S)
        if user is None or user["id"] != int(claims["sub"]):
            raise HTTPException(401, "the session has ended")
        return user

    app = FastAPI(lifespan=lifespan)

    @app.get("/api/v1/users/me")
    async def me(user: Annotated[asyncpg.Record, Depends(current_user)]) -> Profile:
        return Profile.model_validate(dict(user))

    return app


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="connection string of PostgreSQL")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM of the key that verifies tokens")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--remember", action="store_true", help="verify each token once only")
    given = parser.parse_args()
    verify = verifier(load_pem_public_key(given.public_key.read_bytes()), Settings())
    app = create_app(given.database, remembering(verify) if given.remember else verify)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
