"""Shapes of administration in responses."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Struct

from app.users.schemas import Id
from app.web.texts import people_text


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
    """A page of accounts, the newest first; `next` is the next page's cursor, set even if this page is not full."""

    users: list[Account]
    next: str | None


class TakingDown(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a posting is taken down; its company may read it."""

    reason: Annotated[str, people_text(1, 500, "It asks applicants for money.")]


class AuditEntry(Struct, frozen=True):
    """An event of the account `user_id`; `actor_id` is set if another account acted or a company is concerned."""

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
    """A page of the audit log, the newest first; `next` is as in `Accounts`."""

    entries: list[AuditEntry]
    next: str | None
