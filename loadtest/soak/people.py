"""Clients of the service, and people who log in, come back with renewed tokens, and log out."""

import random
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loadtest.bed import ME, PASSWORD
from loadtest.client import Answer, Connection, encoded
from loadtest.soak.record import Kind, Record, Unexpected

REQUESTS_EACH = 250
"""Requests after which a client opens another connection, which any worker may accept."""

REMEMBERED = 200
RENEWED_BEFORE_S = 15.0
LOGIN, REFRESH = Kind("login", "passwords"), Kind("refresh", "sessions")
LOGOUT, DEAD = Kind("logout", "sessions"), Kind("logged-out token (401)", "reads")
OLD_REFRESH = Kind("logged-out refresh token (401)", "sessions")
UNAUTHORIZED, SHED = 401, 503
PATIENCE, SHED_PAUSE_S = 10, 1.0


@dataclass(frozen=True, slots=True)
class Dead:
    """An access token of an ended session, which would be valid until this time of the monotonic clock."""

    token: str
    expires_at: float


class Client:
    """Requests of one thread. `due` is when the next one should have been sent, if that is known."""

    def __init__(self, port: int, record: Record) -> None:
        self.port, self.record = port, record
        self.due: float | None = None
        self.dead: deque[Dead] = deque(maxlen=REMEMBERED)
        self._connection, self._sent = Connection(port), 0

    def ask(
        self, kind: Kind, method: str, path: str, token: str = "", body: object = None, *,
        wanted: int = 200, refusals: Collection[int] = (), headers: Sequence[str] = (),
    ) -> Answer:  # fmt: skip
        """Send a request and note its latency; raises Unexpected or OSError."""
        self._sent += 1
        if self._sent % REQUESTS_EACH == 0:
            self._connection.close()
        began, self.due = self.due or time.perf_counter(), None
        answer = self._connection.exchange(encoded(method, path, token, body, headers))
        taken_ms = (time.perf_counter() - began) * 1000
        if answer.status != wanted and answer.status not in refusals:
            raise Unexpected(f"{method} {path} was answered with {answer.status}: {answer.body[:300]!r}")
        self.record.answered(kind, taken_ms, 0 if answer.status == wanted else answer.status)
        return answer

    def ask_patiently(self, kind: Kind, method: str, path: str, token: str = "", body: object = None, *,
                      wanted: int = 200) -> Answer:  # fmt: skip
        """The same for what checks or makes a password, which a busy worker refuses (503): ask again, a few times."""
        for _ in range(PATIENCE):
            answer = self.ask(kind, method, path, token, body, wanted=wanted, refusals=(SHED,))
            if answer.status == wanted:
                return answer
            time.sleep(SHED_PAUSE_S)
        raise Unexpected(f"{method} {path} was refused {PATIENCE} times")

    def fresh(self) -> None:
        """Use a new connection from now on."""
        self._connection.close()

    def check_all_dead(self) -> int:
        """Each that has not expired is refused; returns how many. Raises Unexpected or OSError."""
        self.fresh()
        left = self._unexpired()
        for token in left:
            self.ask(DEAD, "GET", ME, token, wanted=UNAUTHORIZED)
        return len(left)

    def check_dead(self, chance: random.Random) -> None:
        """A token that was logged out some time ago is still refused."""
        if left := self._unexpired():
            self.fresh()
            self.ask(DEAD, "GET", ME, chance.choice(left), wanted=UNAUTHORIZED)

    def _unexpired(self) -> list[str]:
        return [each.token for each in self.dead if each.expires_at > time.monotonic()]


class Person:
    """An account in one session; used by one thread."""

    def __init__(self, number: int, token_s: float) -> None:
        self.email, self._token_s = f"user{number}@example.com", token_s
        self._token = self._refresh = ""
        self._until = 0.0

    def token(self, client: Client) -> str:
        """An access token that is valid for some time yet; logs in or refreshes if there is none."""
        if not self._token:
            self._log_in(client)
        elif time.monotonic() > self._until:
            self._keep(client.ask(REFRESH, "POST", "/api/v1/auth/refresh", body={"refresh_token": self._refresh}))
        return self._token

    def log_out(self, client: Client) -> str:
        """Returns the dead token, after both tokens were refused over another connection."""
        token, refresh = self.token(client), self._refresh
        client.ask(LOGOUT, "POST", "/api/v1/auth/logout", token, wanted=204)
        self._token = ""
        client.dead.append(Dead(token, self._until + RENEWED_BEFORE_S))
        client.fresh()
        client.ask(DEAD, "GET", ME, token, wanted=UNAUTHORIZED)
        client.ask(OLD_REFRESH, "POST", "/api/v1/auth/refresh", body={"refresh_token": refresh}, wanted=UNAUTHORIZED)
        return token

    def _log_in(self, client: Client) -> None:
        body = {"email": self.email, "password": PASSWORD}
        self._keep(client.ask_patiently(LOGIN, "POST", "/api/v1/auth/login", body=body))

    def _keep(self, answer: Answer) -> None:
        given = answer.json()
        self._token, self._refresh = given["access_token"], given["refresh_token"]
        self._until = time.monotonic() + self._token_s - RENEWED_BEFORE_S
