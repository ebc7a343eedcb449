"""The accounts and sessions that the load uses, and the journal of operations."""

import base64
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.integration.finality.harness.history import Kind, Operation
from tests.pods.connections import Answer, Connection, Request

Sql = Callable[[str, int], bool]
_numbers = itertools.count(1)


class Journal:
    """Operations of all threads, in the order in which they were noted."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def note(self, kind: Kind, person: "Person", answer: Answer, **details: object) -> Operation:
        """Record an operation; `details` are fields of `Operation`, with `start` of an earlier attempt if retried."""
        fields: dict[str, object] = {"start": answer.start, "end": answer.end, "status": answer.status}
        fields |= {"pod": answer.pod, "worker": answer.worker, "code": answer.code, "detail": answer.detail}
        fields |= {"user": person.id, "by_server": answer.by_server} | details
        operation = Operation(kind=kind, **fields)  # type: ignore[arg-type]
        self.operations.append(operation)
        return operation

    def __len__(self) -> int:
        return len(self.operations)


@dataclass(slots=True)
class Session:
    """The tokens of one session; `refresh_tokens` from the first to the current one."""

    person: "Person"
    id: int
    access_tokens: list[str]
    refresh_tokens: list[str]
    unsure: bool = False
    """Whether the current refresh token may have been used already."""
    refreshing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def token(self) -> str:
        return self.access_tokens[-1]


class Person:
    """An account; `secrets` are its possible current passwords, the likeliest first."""

    def __init__(self, email: str, secret: str) -> None:
        self.email, self.id = email, 0
        self.secrets = [secret]
        self.sessions: list[Session] = []
        self.version = 1
        self.changing = threading.Lock()
        self._secrets_made = itertools.count(1)

    @classmethod
    def register(cls, connection: Connection, journal: Journal) -> "Person | None":
        """Register a new account; None if the service refuses."""
        number = next(_numbers)
        person = cls(f"walker-{number}@example.com", f"a long way {number} to walk 0")
        body = {"email": person.email, "password": person.secrets[0], "name": f"Walker {number}"}
        answer = connection.send(Request("POST", "/api/v1/auth/register", body))
        if answer.status == 201:
            person.id = answer.body["id"]
            return person
        journal.note(Kind.REGISTER, person, answer)
        return None

    def new_secret(self) -> str:
        return f"{self.secrets[0].rpartition(' ')[0]} {next(self._secrets_made)}"

    def log_in(self, connection: Connection, journal: Journal) -> Session | None:
        """Log in with one of the possible passwords; None if none succeeds."""
        for secret in list(self.secrets):
            body = {"email": self.email, "password": secret}
            answer = connection.send(Request("POST", "/api/v1/auth/login", body))
            if answer.status == 200:
                access, refresh = answer.body["access_token"], answer.body["refresh_token"]
                session = Session(self, session_of(access), [access], [refresh])
                journal.note(Kind.LOGIN, self, answer, session=session.id, secret=secret)
                self.sessions.append(session)
                return session
            journal.note(Kind.LOGIN, self, answer, secret=secret)
            if answer.status != 401:
                return None
        return None

    def forget(self, session: Session) -> None:
        """Remove an ended session."""
        self.sessions = [each for each in self.sessions if each is not session]


@dataclass(slots=True)
class World:
    """The state that all actors share."""

    people: list[Person]
    journal: Journal
    ended: deque[Session] = field(default_factory=lambda: deque(maxlen=200))
    every: list[Session] = field(default_factory=list)
    sql: Sql | None = None
    """Runs a statement directly on PostgreSQL; returns whether it is certainly committed."""
    unheard: deque[tuple[int, list[Session]]] = field(default_factory=deque)
    """Sessions ended by SQL, with the time in ns by which every worker must know it."""


def session_of(token: str) -> int:
    """The session that an access token names."""
    claims = token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sid"])
