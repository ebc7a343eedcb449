"""Shapes of accounts and sessions in requests and responses."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.mail.texts import Language
from app.users.schemas import AnyPassword, Email, Id, Name

NewPassword = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=256,
        description="any script; neither a common one nor one that resembles the address",
        examples=["a long walk in the rain"],
    ),
]
RefreshToken = Annotated[str, Meta(min_length=1, max_length=200)]


class Registration(Struct, forbid_unknown_fields=True):
    """A new account; `language` is that of mails, English if it is missing."""

    email: Email
    password: NewPassword
    name: Name
    language: Language | None = None


class Credentials(Struct, forbid_unknown_fields=True):
    """The body of a login."""

    email: Email
    password: AnyPassword


class Refresh(Struct, forbid_unknown_fields=True):
    """The body of a refresh."""

    refresh_token: RefreshToken


class Revocation(Struct):
    """A refresh or access token (RFC 7009, 2.1); no `token_type_hint` is needed, as the token shows its type."""

    token: Annotated[str, Meta(min_length=1, max_length=512)]


class PasswordChange(Struct, forbid_unknown_fields=True):
    """The current and the new password."""

    current: AnyPassword
    new: NewPassword


class Tokens(Struct, frozen=True):
    """RFC 6749, 5.1; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class Session(Struct, frozen=True):
    """A live session of the user; `last_seen_at` is exact to 5 minutes."""

    id: Id
    created_at: datetime
    last_seen_at: datetime
    agent: str
    address: str | None
    current: bool


class Sessions(Struct, frozen=True):
    """Live sessions of the user: the current one first, then the newest; `next` is the cursor of the next page."""

    sessions: list[Session]
    next: str | None


class SessionFact(Struct, array_like=True):
    """The cached form of a session; times are seconds since 1970."""

    user_id: int
    expires_at: float
    last_seen_at: float


class Client(Struct, frozen=True):
    """The client of a request, for the audit log and the list of sessions."""

    address: str | None
    agent: str
    request_id: str

    @property
    def origin(self) -> tuple[str, str | None, str]:
        """The values of the audit log's columns agent, address and request_id."""
        return self.agent, self.address, self.request_id
