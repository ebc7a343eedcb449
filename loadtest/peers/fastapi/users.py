"""Profiles, which are read from the database with every request."""

from fastapi import APIRouter, HTTPException, Request

from loadtest.peers.fastapi.accounts import CurrentUser
from loadtest.peers.fastapi.schemas import Batch, PublicUser, User
from loadtest.peers.fastapi.store import FIND_USERS

router = APIRouter(prefix="/api/v1/users")
BATCH_MAX = 100


@router.get("/me")
async def me(user: CurrentUser) -> User:
    return User(**user)


@router.get("/batch")
async def batch(request: Request, user: CurrentUser, ids: str) -> Batch:
    try:
        asked = [int(each) for each in ids.split(",")]
    except ValueError:
        raise HTTPException(400, "ids must be comma-separated integers") from None
    if len(asked) > BATCH_MAX:
        raise HTTPException(400, f"ids must name at most {BATCH_MAX}")
    rows = {row["id"]: row for row in await request.app.state.pool.fetch(FIND_USERS, asked)}
    found = [PublicUser(**rows[each]) for each in asked if each in rows]
    return Batch(users=found, missing=[each for each in asked if each not in rows])


@router.get("/{user_id}")
async def profile(request: Request, user: CurrentUser, user_id: int) -> PublicUser:
    row = await request.app.state.pool.fetchrow(FIND_USERS, [user_id])
    if row is None:
        raise HTTPException(404, "there is no such user")
    return PublicUser(**row)
