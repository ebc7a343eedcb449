"""Shapes of companies and their members in requests and responses."""

from datetime import datetime
from sys import getsizeof
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.users.schemas import Email, Id, Name
from app.web.texts import people_lines, people_text
from app.web.vocabulary import Country

SLUG_MAX = 60
SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"^https?://{_LABEL}(?:\.{_LABEL})+(?::[0-9]{{1,5}})?(?:[/?#][!-~]*)?$"

CompanyName = Annotated[str, people_text(1, 120, "Acme GmbH")]
Slug = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SLUG_MAX,
        pattern=SLUG.replace("$", r"\Z"),
        description="names the company in URLs: lower-case letters and digits, single hyphens between them",
        examples=["acme"],
    ),
]
Description = Annotated[str, people_lines(5_000, "We build things.\nSince 1949.")]
Website = Annotated[
    str,
    Meta(
        max_length=300,
        pattern=_ADDRESS.replace("$", r"\Z"),
        description="http or https, in ASCII",
        examples=["https://acme.example"],
    ),
]
Role = Literal["owner", "recruiter"]


class Company(Struct, frozen=True):
    """A company in responses; times are UTC."""

    id: Id
    slug: str
    name: str
    verified: bool
    description: str
    website: str | None
    country: str | None
    created_at: datetime
    updated_at: datetime
    version: int


class CompanyBrief(Struct, frozen=True):
    """The part of a company that a job posting shows."""

    id: Id
    slug: str
    name: str
    verified: bool


class NewCompany(Struct, forbid_unknown_fields=True):
    """The body of a new company; without `slug`, one is made from the name."""

    name: CompanyName
    slug: Slug | UnsetType = UNSET
    description: Description = ""
    website: Website | None = None
    country: Country | None = None


class CompanyPatch(Struct, forbid_unknown_fields=True):
    """The fields that an owner can change (RFC 7396): a missing one stays as it is, null empties all but `name`."""

    name: CompanyName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    website: Website | UnsetType | None = UNSET
    country: Country | UnsetType | None = UNSET


class Member(Struct, frozen=True):
    """An account that is a member of a company."""

    user_id: Id
    name: Name
    role: Role
    since: datetime


class Members(Struct, frozen=True):
    """A page of members, by ascending account id; `next` is the cursor of the next page."""

    members: list[Member]
    next: str | None


class Invitation(Struct, forbid_unknown_fields=True):
    """The address of the account to add as a member, and its role."""

    email: Email
    role: Role


class RoleChange(Struct, forbid_unknown_fields=True):
    """The new role of a member."""

    role: Role


class OwnCompany(Struct, frozen=True):
    """A company of which the user is a member."""

    company: CompanyBrief
    role: Role
    since: datetime


class OwnCompanies(Struct, frozen=True):
    """A page of the user's companies, by ascending id; `next` is the cursor of the next page."""

    companies: list[OwnCompany]
    next: str | None


_encode = msgspec.json.Encoder().encode


class CompanyFact:
    """The cached form of a company, with its full and its brief JSON encoded once."""

    __slots__ = ("brief", "brief_json", "json", "tag")

    def __init__(self, company: Company, tag: str) -> None:
        self.tag = tag
        self.json = _encode(company)
        self.brief = CompanyBrief(company.id, company.slug, company.name, company.verified)
        self.brief_json = _encode(self.brief)

    def size(self) -> int:
        """Bytes of memory; msgspec leaves up to half as much again behind the JSON that it encodes."""
        return 600 + len(self.json) * 3 // 2 + len(self.brief_json) + getsizeof(self.brief.name)
