"""Shapes of accounts by mail in requests."""

from typing import Annotated

from msgspec import Meta, Struct

from app.auth.schemas import NewPassword
from app.users.schemas import AnyPassword, Email

Token = Annotated[str, Meta(min_length=1, max_length=100, description="`token` of the link that the mail brought")]


class LinkToken(Struct, forbid_unknown_fields=True):
    """The token of a link."""

    token: Token


class Recovery(Struct, forbid_unknown_fields=True):
    """The address of an account whose password is lost."""

    email: Email


class NewPasswordByLink(Struct, forbid_unknown_fields=True):
    """The token of a recovery link, and the new password."""

    token: Token
    password: NewPassword


class NewAddress(Struct, forbid_unknown_fields=True):
    """The new address, and the account's password."""

    email: Email
    password: AnyPassword


class PageForm(Struct):
    """What the page of a link sends."""

    token: Annotated[str, Meta(max_length=100)] = ""
    password: Annotated[str, Meta(max_length=256)] = ""
