"""Shapes of imports in requests and responses."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from app.errors import FIELDS_MAX
from app.jobs.schemas import Job, JobContent
from app.users.schemas import Id
from app.web.converters import NAME_PATTERN
from app.web.errors import FieldProblem

ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=NAME_PATTERN.replace("$", r"\Z"),
        description="the posting's name in the company's system",
        examples=["REQ-17"],
    ),
]
Outcome = Literal["created", "changed", "unchanged", "refused"]
RunState = Literal["open", "committing", "committed", "ended", "abandoned"]


class JobLine(JobContent, forbid_unknown_fields=True, kw_only=True):
    """One line of an import: a posting, as a company would write it, with its name in the company's system."""

    external_id: ExternalId


class Imported(Struct, frozen=True):
    """A posting after its import, and whether that has changed nothing."""

    unchanged: bool
    job: Job


class LineReport(Struct, frozen=True, omit_defaults=True):
    """What became of one line; `line` counts from 1, `errors` are the first of those of a refused line."""

    line: int
    status: Outcome
    external_id: str = ""
    id: int = 0
    errors: Annotated[tuple[FieldProblem, ...], Meta(max_length=FIELDS_MAX)] = ()


class Run(Struct, frozen=True):
    """A run of a full feed: its lines by what became of them, and how many postings its commit has closed.

    While `unnamed` lines cannot be read well enough to know their `external_id`, a commit closes nothing.
    """

    id: Id
    source: str
    state: RunState
    started_at: datetime
    active_at: datetime
    ended_at: datetime | None
    created: int
    changed: int
    unchanged: int
    refused: int
    unnamed: int
    closed: int


encode_report = msgspec.json.Encoder().encode
