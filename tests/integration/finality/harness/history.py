"""The record of a run: operations with their responses."""

from dataclasses import dataclass
from enum import StrEnum

NO_ANSWER = 0


class Kind(StrEnum):
    """The kind of an operation."""

    REGISTER = "register"
    LOGIN = "login"
    REFRESH = "refresh"
    READ = "read"
    EDIT = "edit"
    LOGOUT = "logout"
    LOGOUT_ALL = "logout everywhere"
    END_SESSION = "end a session"
    PASSWORD = "password change"
    DELETE = "account deletion"
    REUSE = "reuse of a refresh token"
    REVOKE = "revocation of a refresh token"
    SQL_EPOCH = "epoch raised by SQL"
    SQL_REVOKE = "session revoked by SQL"
    SQL_DELETE = "account deleted by SQL"


USES_TOKEN = frozenset({Kind.READ, Kind.EDIT, Kind.END_SESSION, Kind.PASSWORD, Kind.DELETE, Kind.REFRESH})
ENDS_USER = frozenset({Kind.LOGOUT_ALL, Kind.PASSWORD, Kind.DELETE, Kind.SQL_EPOCH, Kind.SQL_DELETE})
ENDS_SESSION = frozenset({Kind.LOGOUT, Kind.END_SESSION, Kind.REUSE, Kind.REVOKE, Kind.SQL_REVOKE})
BY_SQL = frozenset({Kind.SQL_EPOCH, Kind.SQL_REVOKE, Kind.SQL_DELETE})
HEARD_NS = 5_000_000_000
"""The time after its commit within which a change by SQL must be known to every worker."""
PROMISES = {Kind.REUSE: 401, Kind.REVOKE: 200}
"""The statuses that confirm a final end, where it is not 204."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One request and its answer; `start` and `end` are CLOCK_MONOTONIC in ns, taken before sending and after reading.

    An end that was retried until it was final is one operation, from the first attempt to the last response.
    `session` is the one whose token was sent, or the one that a login opened.
    """

    kind: Kind
    user: int
    start: int
    end: int
    status: int
    session: int | None = None
    target: int | None = None
    """The session that END_SESSION names."""
    subject: int | None = None
    """The user whose profile was read."""
    version: int | None = None
    text: str | None = None
    """The headline that was read or written; each written one is unique."""
    secret: str = ""
    """The password sent; unique in the life of an account."""
    new_secret: str = ""
    repeated: bool = False
    """A refresh whose token may have been presented before."""
    pod: str = ""
    worker: str = ""
    """The worker process of the connection, if known."""
    code: str = ""
    """The stable code of a refusal."""
    detail: str = ""
    """What the refusal says of this occurrence."""
    by_server: bool = False
    """Whether the server gave an answer that it had kept."""

    @property
    def answered(self) -> bool:
        return self.status != NO_ANSWER

    @property
    def accepted(self) -> bool:
        """Whether the request got past the check of its token."""
        return self.answered and self.status < 500 and self.status not in (401, 429)

    @property
    def promised(self) -> bool:
        """Whether the status confirms that the end is final."""
        return self.status == PROMISES.get(self.kind, 204)

    @property
    def may_have_acted(self) -> bool:
        """Whether it may have ended something, final or not."""
        return self.promised or self.status == NO_ANSWER or self.status >= 500


@dataclass(frozen=True, slots=True)
class Violation:
    """A response that is impossible for a correct service, with the operation that rules it out."""

    rule: str
    operation: Operation
    because: Operation | None = None

    def __str__(self) -> str:
        return f"{self.rule}\n    {self.operation}" + (f"\n    because of {self.because}" if self.because else "")
