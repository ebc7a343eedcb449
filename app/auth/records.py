"""Records that the store of accounts and sessions returns."""

from dataclasses import dataclass

from app.auth.schemas import SessionFact
from app.users.schemas import User


@dataclass(frozen=True, slots=True)
class Account:
    """The columns of a user that a login needs."""

    id: int
    password_hash: bytes
    epoch: int
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The account of an address, or None; `greatest_cost` is the highest bcrypt cost among all accounts.

    `familiar` says whether the account has logged in from the client's network within 30 days.
    """

    account: Account | None
    greatest_cost: int
    familiar: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A live session with its user, read together."""

    session: SessionFact
    user: User


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session; `others` is the number of live sessions that the user had before."""

    id: int
    session: SessionFact
    user: User
    others: int


@dataclass(frozen=True, slots=True)
class Family:
    """A session locked for the rotation of its refresh token; `ages` are those of `refresh.successor`."""

    user_id: int
    family: bytes
    counter: int
    token_hash: bytes
    ages: list[float]
    live: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """Who gets a mail about an account; `user_id` is the account's, also if the address is not."""

    user_id: int
    email: str
    name: str
    language: str
    device_mails: bool = True
    verified: bool = True
