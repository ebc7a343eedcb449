"""The usual stack: FastAPI, SQLAlchemy and asyncpg under uvicorn, with PostgreSQL's text search as manuals show it.

`to_tsvector @@ plainto_tsquery ORDER BY ts_rank ... OFFSET` on a generated column with an index, and a count beside it.
"""

import argparse
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import uvicorn
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Computed, func, select
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Tables of the usual stack."""


class Job(Base):
    """As `store.USUAL_TABLE` makes it."""

    __tablename__ = "usual_job"
    id: Mapped[int] = mapped_column(primary_key=True)
    company: Mapped[str]
    title: Mapped[str]
    description: Mapped[str] = mapped_column(deferred=True)
    country: Mapped[str | None]
    published_at: Mapped[datetime]
    search: Mapped[Any] = mapped_column(TSVECTOR, Computed(""), deferred=True)


class Item(BaseModel):
    """One result."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    company: str
    title: str
    country: str | None
    published_at: datetime


class Page(BaseModel):
    """Results by falling rank."""

    items: list[Item]
    total: int


def create_app(database_url: str) -> FastAPI:
    """The application with SQLAlchemy's pool of 5 connections, and 10 more when they are in use."""
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database_url))
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    app = FastAPI()

    @app.get("/jobs")
    async def jobs(q: str, limit: Annotated[int, Query(le=100)] = 20, offset: int = 0) -> Page:
        asked = func.plainto_tsquery("english", q)
        matching = select(Job).where(Job.search.op("@@")(asked))
        ranked = matching.order_by(func.ts_rank(Job.search, asked).desc()).limit(limit).offset(offset)
        async with sessions() as session:
            found = (await session.scalars(ranked)).all()
            total = await session.scalar(select(func.count()).select_from(matching.subquery()))
        return Page(items=[Item.model_validate(job) for job in found], total=total or 0)

    @app.get("/ready")
    async def ready() -> str:
        return "ready"

    return app


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="connection string of PostgreSQL")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(create_app(given.database), host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
