"""What the store finds and makes, as the rules see it."""

from dataclasses import dataclass

from app.auth.schemas import SessionFact
from app.users.schemas import User


@dataclass(frozen=True, slots=True)
class Account:
    """What a login needs to know of a user."""

    id: int
    password_hash: bytes
    epoch: int
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """The account of an address, None where nobody has it; `greatest_cost` is that of bcrypt among all accounts.

    `familiar`: the account has logged in from the asking network within 30 days.
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
    """A session just made; `others` live sessions of the user were there before."""

    id: int
    session: SessionFact
    user: User
    others: int


@dataclass(frozen=True, slots=True)
class Family:
    """A session locked for the rotation of its refresh token; `ages` as `refresh.successor` takes them."""

    user_id: int
    family: bytes
    counter: int
    token_hash: bytes
    ages: list[float]
    live: bool
