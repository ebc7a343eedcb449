"""`python -m loadtest.peers.fastapi` serves until SIGTERM, with one process and the environment of the Rust peer."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI

from loadtest.peers.fastapi import accounts, jobs, users
from loadtest.peers.passwords import PeerPasswords
from loadtest.peers.tokens import PeerTokens, keep


def create_app() -> FastAPI:
    """The application with a pool of 10 connections, asyncpg's default; libpq's variables name the server."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(reset=keep) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)
    app.state.tokens = PeerTokens(os.environ["JWT_SECRET"])
    app.state.passwords = PeerPasswords(os.environ["PEPPER"], int(os.environ["BCRYPT_COST"]))
    for each in (accounts, users, jobs):
        app.include_router(each.router)

    @app.get("/api/v1/health/ready")
    async def ready() -> str:
        return "ready"

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(), host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools",
        log_level="warning", access_log=False,
    )  # fmt: skip
