"""The usual GraphQL in Python: strawberry, FastAPI and asyncpg under uvicorn, on the same database.

As strawberry's documentation advises: data loaders, so that each level costs one statement, and its caches of parsed
and validated documents. Postings are a table with a column for each field (`store.MAKE_PEER_JOBS`). It reads
PostgreSQL for each request, has no limits and counts nothing.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import strawberry
import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import FastAPI, HTTPException, Request
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.types import Info

from app.auth.store import FIND_SESSION
from app.config import Settings
from loadtest.peers.strawberry.store import COUNT, COUNT_VALUES, FIND_COMPANIES, FIND_JOBS, LIST_APPLICATIONS, SEARCH
from loadtest.peers.strawberry.types import Application, AppliedJob, Company, Connection, Facet, Job, Page, Total, User
from loadtest.peers.tokens import SESSION_S, Verify, keep, remembering, verifier


class Context(BaseContext):
    """Of one request: the pool, who asks, and the loaders."""

    def __init__(self, pool: Any, user: Any) -> None:
        super().__init__()
        self.pool, self.user = pool, user
        self.companies: DataLoader[int, Company | None] = DataLoader(self._companies)
        self.jobs: DataLoader[int, Job | None] = DataLoader(self._jobs)

    async def _companies(self, ids: list[int]) -> list[Company | None]:
        rows = {each["id"]: Company(**each) for each in await self.pool.fetch(FIND_COMPANIES, ids)}
        return [rows.get(each) for each in ids]

    async def _jobs(self, ids: list[int]) -> list[Job | None]:
        rows = {each["id"]: Job(**each) for each in await self.pool.fetch(FIND_JOBS, ids)}
        return [rows.get(each) for each in ids]


@strawberry.type
class Query:
    """The part of our schema that is measured."""

    @strawberry.field
    def me(self, info: Info[Context, None]) -> User:
        if info.context.user is None:
            raise PermissionError
        return User(**{name: info.context.user[name] for name in User.__annotations__})

    @strawberry.field
    async def job(self, info: Info[Context, None], id: strawberry.ID) -> Job | None:  # noqa: A002
        return await info.context.jobs.load(int(id))

    @strawberry.field
    async def search(self, info: Info[Context, None], q: str, facets: list[str], first: int = 20) -> Page:
        pool = info.context.pool
        nodes = [Job(**each) for each in await pool.fetch(SEARCH, q, first)]
        found = [Facet.of(name, await pool.fetch(COUNT_VALUES[name], q)) for name in facets]
        return Page(nodes=nodes, facets=found, total=Total(value=await pool.fetchval(COUNT, q), exact=True))

    @strawberry.field
    async def applications(self, info: Info[Context, None], first: int = 20) -> Connection:
        rows = await info.context.pool.fetch(LIST_APPLICATIONS, info.context.user["id"], first)
        return Connection(
            nodes=[
                Application(
                    id=each["id"], stage=each["stage"], created_at=each["created_at"],
                    job=AppliedJob(id=each["job_id"], title=each["title"], company_id=each["company_id"]),
                )
                for each in rows
            ]
        )  # fmt: skip


def create_app(database_url: str, verify: Verify) -> FastAPI:
    """The application with a pool of 10 connections, asyncpg's default."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, reset=keep) as pool:
            app.state.pool = pool
            yield

    async def context(request: Request) -> Context:
        pool, user = request.app.state.pool, None
        if token := request.headers.get("Authorization", "").removeprefix("Bearer "):
            claims = verify(token)
            user = await pool.fetchrow(FIND_SESSION.sql, int(claims["sid"]), SESSION_S)
            if user is None:
                raise HTTPException(401, "the session has ended")
        return Context(pool, user)

    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    app = FastAPI(lifespan=lifespan)
    router: GraphQLRouter[Context, None] = GraphQLRouter(schema, graphql_ide=None, context_getter=context)
    app.include_router(router, prefix="/graphql")
    return app


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="connection string of PostgreSQL")
    parser.add_argument("--public-key", type=Path, required=True, help="PEM of the key that verifies tokens")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    verify = remembering(verifier(load_pem_public_key(given.public_key.read_bytes()), Settings()))
    uvicorn.run(
        create_app(given.database, verify), host="127.0.0.1", port=given.port, log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()
