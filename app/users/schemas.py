"""Shapes of users in requests and answers."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.web.converters import GREATEST_ID

# The form of an address is that of <input type=email> in HTML, on purpose narrower than RFC 5322.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*"
CHAR, _VISIBLE = r"[^\x00-\x1f\x7f]", r"[^\x00-\x20\x7f]"


def text(least: int, most: int, form: str, description: str, *examples: str) -> Meta:
    """Of `least` to `most` characters, all of it of that `form`."""
    return Meta(
        min_length=least, max_length=most, pattern=rf"^{form}\Z", description=description, examples=list(examples)
    )


Email = Annotated[str, text(3, 254, _EMAIL, "compared without regard to case", "ada@example.com")]
Name = Annotated[str, text(1, 100, f"{CHAR}*{_VISIBLE}{CHAR}*", "no control characters, not blank", "Ada")]
Headline = Annotated[str, text(0, 200, f"{CHAR}*", "no control characters", "Analyst of engines")]


Id = Annotated[int, Meta(ge=1, le=GREATEST_ID, extra_json_schema={"format": "int64"})]


class User(Struct, frozen=True):
    """A user as its owner sees it; times are UTC."""

    id: Id
    email: str
    name: str
    headline: str
    created_at: datetime
    updated_at: datetime
    version: int


class PublicUser(Struct, frozen=True):
    """A user as anybody else sees it: never the address."""

    id: Id
    name: str
    headline: str
    created_at: datetime


class Profile(Struct, forbid_unknown_fields=True):
    """What the owner can change; what is left out stays."""

    name: Name | UnsetType = UNSET
    headline: Headline | UnsetType = UNSET


class Batch(Struct, frozen=True):
    """Users in the order asked for, and the ids that nobody has."""

    users: list[PublicUser]
    missing: list[Id]


_encode = msgspec.json.Encoder().encode


class UserFact:
    """A user as the caches keep it, with both representations encoded once."""

    __slots__ = ("private_json", "public_json", "tag", "user")

    def __init__(self, user: User, tag: str) -> None:
        self.user, self.tag = user, tag
        self.private_json = _encode(user)
        self.public_json = _encode(PublicUser(user.id, user.name, user.headline, user.created_at))
