"""Shapes of the change feed."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from app.companies.schemas import CompanyBrief
from app.jobs.schemas import Job, Place
from app.users.schemas import Id

Event = Literal["open", "opened", "changed", "closed", "expired", "company_changed"]


class Change(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A posting or company as it is now; `open` while all open postings are walked through.

    `job` is there for `open`, `opened` and `changed`. For `closed` and `expired` there is what is needed to delete the
    posting from a selection: `company_id`, `countries` and `places`. `company` is there for `company_changed`, whose
    `id` and `version` are the company's.

    Keep the version of what you hold, and ignore a change with a lower one; with the same version only `closed` and
    `expired` count.
    """

    event: Event
    id: Id
    version: int
    at: datetime
    job: Job | None = None
    company: CompanyBrief | None = None
    company_id: Id | None = None
    countries: tuple[str, ...] | None = None
    places: tuple[Place, ...] | None = None


class Changes(Struct, frozen=True):
    """Changes in their order; `next` is the cursor behind them, and `more` says that others are there already."""

    changes: list[Change]
    next: str
    more: bool


class Ended(Struct, frozen=True):
    """What is left of a posting that has ended."""

    event: str
    id: int
    version: int
    at: datetime
    company_id: int
    countries: tuple[str, ...]
    places: list[dict[str, object]]


encode = msgspec.json.Encoder().encode
