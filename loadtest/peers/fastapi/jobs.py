"""Open postings: pages are cached for a minute, results of searches for 30 seconds, both as the JSON that is sent."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from cachetools import TTLCache
from fastapi import APIRouter, HTTPException, Query, Request, Response

from loadtest.peers.fastapi.schemas import Company, Job, Page, Total
from loadtest.peers.fastapi.store import COUNT, FIND_JOB, SEARCH

router = APIRouter(prefix="/api/v1/jobs")
PAGES_S, RESULTS_S, ENTRIES, COUNTED_MAX = 60, 30, 10_000, 10_000
_pages: Any = TTLCache(ENTRIES, PAGES_S)
_results: Any = TTLCache(ENTRIES, RESULTS_S)


@router.get("")
async def search(
    request: Request,
    q: str,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    key = (q, limit, offset)
    body = _results.get(key)
    if body is None:
        body = _results[key] = await _found(request.app.state.pool, q.lower(), limit, offset)
    return Response(body, media_type="application/json")


@router.get("/{job_id}")
async def page(request: Request, job_id: int) -> Response:
    body = _pages.get(job_id)
    if body is None:
        row = await request.app.state.pool.fetchrow(FIND_JOB, job_id)
        if row is None:
            raise HTTPException(404, "there is no such posting")
        body = _pages[job_id] = _job(row, taken_down=None).model_dump_json().encode()
    return Response(body, media_type="application/json")


async def _found(pool: Any, words: str, limit: int, offset: int) -> bytes:
    rows = await pool.fetch(SEARCH, words, limit, offset)
    count, end = await pool.fetchval(COUNT, words, COUNTED_MAX + 1), offset + len(rows)
    found = Page(
        items=[_job(row, also_at=[]) for row in rows],
        next=str(end) if end < count else None,
        total=Total(value=min(count, COUNTED_MAX), exact=count <= COUNTED_MAX),
        as_of=datetime.now(UTC),
    )
    return found.model_dump_json().encode()


def _job(row: Mapping[str, Any], **rest: Any) -> Job:
    fields = dict(row)
    company = Company(id=fields.pop("company_id"), **{each: fields.pop(each) for each in ("slug", "name", "verified")})
    return Job(company=company, **json.loads(fields.pop("detail")), **fields, **rest)
