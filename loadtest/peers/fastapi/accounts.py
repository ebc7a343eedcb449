"""Registration, login and logout, and whose request it is."""

import hashlib
import os
import secrets
from typing import Annotated, Any

import jwt
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from loadtest.peers.fastapi.schemas import Credentials, Issued, Registration, User
from loadtest.peers.fastapi.store import END_SESSION, FIND_ACCOUNT, FIND_SESSION, INSERT_ACCOUNT, OPEN_SESSION
from loadtest.peers.tokens import LIFE_S

router = APIRouter(prefix="/api/v1/auth")
_HASHING = CapacityLimiter(len(os.sched_getaffinity(0)))


async def current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> Any:
    """The row of the session and its user, which is read with every request, so that a logout is final."""
    state = request.app.state
    try:
        session_id = state.tokens.session_of(credentials.credentials)
    except jwt.InvalidTokenError:
        raise HTTPException(401, "invalid token") from None
    row = await state.pool.fetchrow(FIND_SESSION, session_id)
    if row is None:
        raise HTTPException(401, "the session has ended")
    return row


CurrentUser = Annotated[Any, Depends(current_user)]


@router.post("/register", status_code=201)
async def register(request: Request, new: Registration) -> User:
    state = request.app.state
    hashed = await to_thread.run_sync(state.passwords.hash, new.password, limiter=_HASHING)
    row = await state.pool.fetchrow(INSERT_ACCOUNT, new.email, hashed, new.name)
    if row is None:
        raise HTTPException(409, "there is an account with this address")
    return User(**row)


@router.post("/login")
async def login(request: Request, given: Credentials) -> Issued:
    state = request.app.state
    account = await state.pool.fetchrow(FIND_ACCOUNT, given.email)
    known = account and account["password_hash"]
    if not await to_thread.run_sync(state.passwords.verify, given.password, known, limiter=_HASHING):
        raise HTTPException(401, "the address or the password is wrong")
    secret = secrets.token_urlsafe(32)
    hashed = hashlib.sha256(secret.encode()).digest()
    family = secrets.token_bytes(16)
    session_id = await state.pool.fetchval(OPEN_SESSION, account["id"], account["token_epoch"], family, hashed)
    token = state.tokens.issue(account["id"], session_id)
    return Issued(access_token=token, refresh_token=secret, expires_in=LIFE_S)


@router.post("/logout", status_code=204)
async def logout(request: Request, user: CurrentUser) -> None:
    await request.app.state.pool.execute(END_SESSION, user["session_id"])
