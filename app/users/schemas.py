"""Shapes of users in requests and responses."""

from datetime import datetime
from operator import attrgetter
from sys import getsizeof
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.mail.texts import Language
from app.users.email import FORM, LENGTH_MAX, canonical_email
from app.users.zones import time_zone
from app.web.converters import GREATEST_ID
from app.web.texts import people_text

Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=LENGTH_MAX,
        description="stored in lower case, without white space around it; a domain in any script becomes ASCII",
        examples=["ada@example.com"],
        extra_json_schema={"pattern": FORM},
        extra={"parse": canonical_email},
    ),
]
Name = Annotated[str, people_text(1, 100, "Ada")]
Headline = Annotated[str, people_text(0, 200, "Analyst of engines")]
TimeZone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="a name of the IANA time zone database",
        examples=["Europe/Berlin"],
        extra_json_schema={"pattern": "^[A-Za-z0-9_+/-]+$"},
        extra={"parse": time_zone},
    ),
]
Hour = Annotated[int, Meta(ge=0, le=23)]
AnyPassword = Annotated[str, Meta(min_length=1, max_length=256)]
Id = Annotated[int, Meta(ge=1, le=GREATEST_ID, extra_json_schema={"format": "int64"})]


class User(Struct, frozen=True):
    """A user as its owner sees it; times are UTC. `verified_at` is null until the address is proven."""

    id: Id
    email: str
    name: str
    headline: str
    created_at: datetime
    updated_at: datetime
    version: int
    verified_at: datetime | None = None


class PublicUser(Struct, frozen=True):
    """A user as other users see it, without the address."""

    id: Id
    name: str
    headline: str
    created_at: datetime


class Profile(Struct, forbid_unknown_fields=True):
    """The fields that the owner can change; a field that is left out stays as it is."""

    name: Name | UnsetType = UNSET
    headline: Headline | UnsetType = UNSET


class ProfilePatch(Struct, forbid_unknown_fields=True):
    """The same as a merge patch (RFC 7396): null empties the headline."""

    name: Name | UnsetType = UNSET
    headline: Headline | UnsetType | None = UNSET


class AccountSettings(Struct, frozen=True):
    """Language of mails (null: English), time zone, and whether a login from a new network is told by mail.

    Daily and weekly alerts are due at `alert_hour` o'clock in the time zone.
    """

    language: Language | None
    time_zone: TimeZone
    device_mails: bool
    alert_hour: Hour


class SettingsPatch(Struct, forbid_unknown_fields=True):
    """The settings to change; a missing one stays as it is, and null means English."""

    language: Language | UnsetType | None = UNSET
    time_zone: TimeZone | UnsetType = UNSET
    device_mails: bool | UnsetType = UNSET
    alert_hour: Hour | UnsetType = UNSET


class Deletion(Struct, forbid_unknown_fields=True):
    """The body of an account deletion: the account's password."""

    password: AnyPassword


class Batch(Struct, frozen=True):
    """Users in the requested order, and the ids without a user."""

    users: list[PublicUser]
    missing: list[Id]


_encode = msgspec.json.Encoder().encode
_public_fields = attrgetter(*PublicUser.__struct_fields__)


class UserFact:
    """The cached form of a user, with both JSON representations encoded once."""

    __slots__ = ("private_json", "public_json", "tag", "user")

    def __init__(self, user: User, tag: str) -> None:
        self.user, self.tag = user, tag
        self.private_json = _encode(user)
        self.public_json = _encode(PublicUser(*_public_fields(user)))

    def size(self) -> int:
        """Bytes of memory; msgspec leaves up to half as much again behind the JSON that it encodes."""
        told, user = len(self.private_json) + len(self.public_json), self.user
        return 700 + told * 3 // 2 + getsizeof(user.email) + getsizeof(user.name) + getsizeof(user.headline)
