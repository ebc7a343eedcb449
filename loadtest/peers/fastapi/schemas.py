"""What requests must have and answers have, with the names of our API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

Email = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=".@.")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=256)]


class Credentials(BaseModel):
    """Of a login."""

    email: Email
    password: str


class Registration(BaseModel):
    """Of a new account."""

    email: Email
    password: NewPassword
    name: Name


class Issued(BaseModel):
    """The answer to a login; `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105


class PublicUser(BaseModel):
    """A user as others see it."""

    id: int
    name: str
    headline: str
    created_at: datetime


class User(PublicUser):
    """A user as its owner sees it."""

    email: str
    updated_at: datetime
    version: int


class Batch(BaseModel):
    """Users of which some may not exist."""

    users: list[PublicUser]
    missing: list[int]


class Company(BaseModel):
    """The company of a posting."""

    id: int
    slug: str
    name: str
    verified: bool


class Job(BaseModel):
    """A posting, with the fields of its detail beside the others."""

    model_config = ConfigDict(extra="allow")

    id: int
    company: Company
    title: str
    state: str
    published_at: datetime | None
    valid_through: datetime
    first_seen_at: datetime
    content_changed_at: datetime
    version: int


class Total(BaseModel):
    """How many match."""

    value: int
    exact: bool


class Conversions(BaseModel):
    """How salaries would be compared."""

    hours_per_year: int = 2080
    rates_of: str = "2026-10-30"


class Page(BaseModel):
    """Results of a search."""

    items: list[Job]
    next: str | None
    total: Total
    facets: list[Any] = []
    corrections: list[Any] = []
    conversions: Conversions = Conversions()
    as_of: datetime
