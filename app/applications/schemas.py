"""Shapes of applications in requests and responses."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from app.companies.schemas import CompanyBrief
from app.jobs.schemas import QUESTIONS_MAX
from app.users.schemas import Id
from app.web.texts import people_lines, people_text

KEY_PATTERN = "^[!-~]{1,100}$"
"""Of an Idempotency-Key."""

LETTER_MAX, ANSWER_MAX, NOTE_MAX = 10_000, 2_000, 2_000

Stage = Literal[
    "submitted", "reviewed", "shortlisted", "interview", "offered", "hired", "rejected", "withdrawn"
]  # fmt: skip
CompanyStage = Literal["submitted", "reviewed", "shortlisted", "interview", "offered", "hired", "rejected"]


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to one of the posting's questions, which is named by its text."""

    question: Annotated[str, people_text(1, 300, "When can you begin?")]
    answer: Annotated[str, people_lines(ANSWER_MAX, "In March.", least=1)]


class NewApplication(Struct, forbid_unknown_fields=True):
    """The body of an application; every required question of the posting needs an answer."""

    letter: Annotated[str, people_lines(LETTER_MAX, "I like to care for people.")] = ""
    answers: Annotated[tuple[Answer, ...], Meta(max_length=QUESTIONS_MAX)] = ()


class ApplicationPatch(Struct, forbid_unknown_fields=True):
    """What members change: the stage, and a note that is added; the candidate never sees notes."""

    stage: CompanyStage | UnsetType = UNSET
    note: Annotated[str, people_lines(NOTE_MAX, "Call her on Monday.", least=1)] | UnsetType = UNSET


class JobBrief(Struct, frozen=True):
    """The posting of an application."""

    id: Id
    title: str
    company: CompanyBrief


class Candidate(Struct, frozen=True):
    """The account of the candidate, whom the company may write to."""

    id: Id
    name: str
    email: str


class Step(Struct, frozen=True):
    """A stage of the application's history; members also see whose account set it, null if that is deleted."""

    stage: Stage
    at: datetime
    by: Literal["candidate", "company"]
    actor_id: Id | UnsetType | None = UNSET


class Note(Struct, frozen=True):
    """A member's note; `author_id` is null if the account is deleted."""

    text: str
    at: datetime
    author_id: Id | None


class Cv(Struct, frozen=True):
    """The CV of an application: its size, and when it was sent."""

    bytes: int
    at: datetime


Pdf = Annotated[str, Meta(extra_json_schema={"contentMediaType": "application/pdf"})]
"""The content of a CV, in descriptions."""


class ApplicationBrief(Struct, frozen=True):
    """An application in a list."""

    id: Id
    job: JobBrief
    candidate: Candidate
    stage: Stage
    created_at: datetime
    updated_at: datetime
    version: int


class Application(ApplicationBrief, frozen=True):
    """An application; only members of the company get `notes`. The newest 500 of history and notes; times are UTC."""

    letter: str
    answers: tuple[Answer, ...]
    history: list[Step]
    cv: Cv | None = None
    notes: list[Note] | UnsetType = UNSET


class Applications(Struct, frozen=True):
    """A page of applications, the newest first; `next` is the cursor of the next page."""

    applications: list[ApplicationBrief]
    next: str | None
