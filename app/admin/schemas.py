"""Shapes of administration in answers."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from app.users.schemas import Id


class Account(Struct, frozen=True):
    """An account as administrators see it; times are UTC."""

    id: Id
    email: str
    name: str
    headline: str
    admin: bool
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Accounts(Struct, frozen=True):
    """The newest first; `next` is the cursor of the next page, which may be there after a page with few or none."""

    users: list[Account]
    next: str | None


class AuditEntry(Struct, frozen=True):
    """What has happened to `user_id`; `actor_id` is who did it where that is another, or a company is concerned."""

    id: Id
    at: datetime
    event: str
    user_id: Id | None
    actor_id: Id | None
    company_id: Id | None
    session_id: Id | None
    address: str | None
    agent: str
    request_id: str
    detail: dict[str, Any]


class AuditEntries(Struct, frozen=True):
    """The newest first; `next` is as in lists of accounts."""

    entries: list[AuditEntry]
    next: str | None
