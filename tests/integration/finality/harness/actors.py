"""Clients that use, edit and end sessions at random, and try each ended session on every worker."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.integration.finality.harness.history import HEARD_NS, Kind
from tests.integration.finality.harness.people import Person, Session, World
from tests.pods.connections import ATTEMPTS, PAUSE_S, Answer, Connection, Connections, Request

ME, LOGOUT, REVOKE, SESSIONS, PASSWORD = (
    "/api/v1/users/me",
    "/api/v1/auth/logout",
    "/api/v1/auth/revoke",
    "/api/v1/auth/sessions",
    "/api/v1/auth/password",
)
BY_HAND = {
    Kind.SQL_EPOCH: "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = %s",
    Kind.SQL_REVOKE: "UPDATE sessions SET revoked_at = now() WHERE id = %s",
    Kind.SQL_DELETE: "DELETE FROM users WHERE id = %s",
}
SESSIONS_EACH = 5
_texts = itertools.count(1)


class Actor:
    """A client with connections to all workers; `act` does one random action."""

    def __init__(self, world: World, connections: Connections, seed: int) -> None:
        self._world, self._connections, self._random = world, connections, random.Random(seed)
        self._note = world.journal.note
        self._actions: dict[Callable[[Person, Session], None], int] = {
            self.read: 30,
            self.read_others: 6,
            self.edit: 12,
            self.list_sessions: 2,
            self.refresh: 5,
            self.reuse: 1,
            self.log_out: 7,
            self.end_another: 3,
            self.log_out_everywhere: 2,
            self.change_password: 2,
            self.delete: 1,
            self.revoke: 2,
            self.end_by_sql: 2 if world.sql else 0,
            self.try_ended: 14,
        }

    def act(self) -> None:
        person = self._random.choice(self._world.people)
        if len(person.sessions) < 2 or (len(person.sessions) < SESSIONS_EACH and self._random.random() < 0.1):
            self.log_in(person)
        if sessions := list(person.sessions):  # another actor may end them meanwhile
            action = self._random.choices(list(self._actions), list(self._actions.values()))[0]
            action(person, self._random.choice(sessions))

    def log_in(self, person: Person) -> None:
        session = person.log_in(self._any(), self._world.journal)
        if session is not None:
            self._world.every.append(session)

    def read(self, person: Person, session: Session, connection: Connection | None = None) -> None:
        """Read the own profile, sometimes with If-None-Match."""
        token = self._random.choice(session.access_tokens)
        tag = (("If-None-Match", f'"{person.id}-{person.version}"'),) if self._random.random() < 0.3 else ()
        answer = (connection or self._any()).send(Request("GET", ME, token=token, headers=tag))
        text = answer.body["headline"] if answer.status == 200 else None
        self._note(
            Kind.READ, person, answer, session=session.id, subject=person.id, version=_version(answer), text=text
        )
        self._notice(session, answer)

    def read_others(self, person: Person, session: Session) -> None:
        """Read public profiles, alone or in a batch."""
        others = self._random.sample(self._world.people, self._random.choice((1, 5)))
        ids = ",".join(str(each.id) for each in others)
        path = f"/api/v1/users/{ids}" if len(others) == 1 else f"/api/v1/users/batch?ids={ids}"
        answer = self._any().send(Request("GET", path, token=session.token))
        users = answer.body.get("users", [answer.body]) if answer.status == 200 else []
        for each in users:
            self._note(Kind.READ, person, answer, session=session.id, subject=each["id"], text=each["headline"])
        if not users:
            self._note(Kind.READ, person, answer, session=session.id)

    def list_sessions(self, person: Person, session: Session) -> None:
        answer = self._any().send(Request("GET", SESSIONS, token=session.token))
        self._note(Kind.READ, person, answer, session=session.id)

    def edit(self, person: Person, session: Session, connection: Connection | None = None) -> None:
        """Write a unique headline, sometimes with If-Match."""
        text, before = f"headline {next(_texts)}", person.version
        headers = (("If-Match", f'"{person.id}-{before}"'),) if self._random.random() < 0.3 else ()
        body = {"headline": text}
        answer = (connection or self._any()).send(Request("PATCH", ME, body, session.token, headers))
        version = _version(answer)
        self._note(Kind.EDIT, person, answer, session=session.id, subject=person.id, version=version, text=text)
        person.version = max(person.version, version or 0)
        self._notice(session, answer)

    def refresh(self, person: Person, session: Session) -> None:
        with _if_free(session.refreshing) as free:
            if free:
                self._rotate(session)

    def reuse(self, person: Person, session: Session) -> None:
        """Present a refresh token that was replaced twice, as with a stolen one."""
        with _if_free(session.refreshing) as free:
            if not free:
                return
            for _ in range(3 - len(session.refresh_tokens)):
                self._rotate(session)
            if len(session.refresh_tokens) > 2 and not session.unsure:
                self._use_everywhere(session)
                body = {"refresh_token": session.refresh_tokens[-3]}
                self._end(Kind.REUSE, session, Request("POST", "/api/v1/auth/refresh", body), [session])

    def log_out(self, person: Person, session: Session) -> None:
        self._use_everywhere(session)
        self._end(Kind.LOGOUT, session, Request("POST", LOGOUT, token=session.token), [session])

    def end_another(self, person: Person, session: Session) -> None:
        target = self._random.choice(list(person.sessions) or [session])
        if target is not session:
            self._use_everywhere(target)
            request = Request("DELETE", f"{SESSIONS}/{target.id}", token=session.token)
            self._end(Kind.END_SESSION, session, request, [target], target=target.id)

    def log_out_everywhere(self, person: Person, session: Session) -> None:
        """Log out everywhere, and again after a login: the second one must fail while the new session is live."""
        sessions = list(person.sessions)
        self._use_everywhere(self._random.choice(sessions or [session]))
        request = Request("POST", f"{LOGOUT}?scope=all", token=session.token)
        if self._end(Kind.LOGOUT_ALL, session, request, sessions).status == 204:
            self.log_in(person)
            self._end(Kind.LOGOUT_ALL, session, request, [])
            for each in list(person.sessions):
                self.read(person, each)

    def change_password(self, person: Person, session: Session) -> None:
        with _if_free(person.changing) as free:
            if not free:
                return
            others = [each for each in person.sessions if each is not session]
            for each in others[:1]:
                self._use_everywhere(each)
            old, new = person.secrets[0], person.new_secret()
            person.secrets = [*person.secrets, new]
            request = Request("POST", PASSWORD, {"current": old, "new": new}, session.token)
            answer = self._end(Kind.PASSWORD, session, request, others, secret=old, new_secret=new)
            if answer.status == 204:
                person.secrets = [new]
            elif answer.status == 403:
                person.secrets = [each for each in (*person.secrets[1:], old) if each != new]
            elif answer.status < 500 and answer.answered:
                person.secrets = [each for each in person.secrets if each != new]
            self.read(person, session)

    def delete(self, person: Person, session: Session) -> None:
        """Delete a new account, so that the shared ones remain."""
        leaver = Person.register(self._any(), self._world.journal)
        if leaver is None:
            return
        sessions = [each for each in (leaver.log_in(self._any(), self._world.journal) for _ in range(2)) if each]
        if sessions:
            self._use_everywhere(sessions[0])
            secret = leaver.secrets[0]
            request = Request("DELETE", ME, {"password": secret}, sessions[-1].token)
            self._end(Kind.DELETE, sessions[-1], request, sessions, secret=secret)
            leaver.log_in(self._any(), self._world.journal)

    def revoke(self, person: Person, session: Session) -> None:
        """End a session by its refresh token, which may have been rotated."""
        self._use_everywhere(session)
        token = self._random.choice(session.refresh_tokens)
        self._end(Kind.REVOKE, session, Request("POST", REVOKE, {"token": token}, form=True), [session])

    def end_by_sql(self, person: Person, session: Session, kind: Kind | None = None) -> None:
        """End sessions by SQL, as an administrator does; `kind` is random if None."""
        kind = kind or self._random.choice(list(BY_HAND))
        if kind is Kind.SQL_DELETE:
            leaver = Person.register(self._any(), self._world.journal)
            opened = leaver.log_in(self._any(), self._world.journal) if leaver else None
            if leaver is None or opened is None:
                return
            person, session = leaver, opened
        ended = [session] if kind is Kind.SQL_REVOKE else list(person.sessions)
        self._use_everywhere(session)
        assert self._world.sql is not None
        start = time.monotonic_ns()
        committed = self._world.sql(BY_HAND[kind], session.id if kind is Kind.SQL_REVOKE else person.id)
        answer = Answer(start, time.monotonic_ns(), 204 if committed else 503)
        self._note(kind, person, answer, session=session.id, secret=person.secrets[0])
        if committed:
            for each in ended:
                each.person.forget(each)
            self._world.unheard.append((answer.end + HEARD_NS, ended))

    def try_ended(self, person: Person, session: Session) -> None:
        """Try a session that ended earlier, and sessions ended by SQL once every worker must know it."""
        unheard = self._world.unheard
        if unheard and unheard[0][0] < time.monotonic_ns():
            with suppress(IndexError):
                _, ended = unheard.popleft()
                self._world.ended.extend(ended)
                self._probe(ended)
        if self._world.ended:
            old = self._random.choice(self._world.ended)
            self._random.choice((self.read, self.read, self.edit, self.refresh))(old.person, old)

    def _rotate(self, session: Session) -> None:
        """Refresh the session; under its lock, because an old token presented late would end the session."""
        body = {"refresh_token": session.refresh_tokens[-1]}
        answer = self._any().send(Request("POST", "/api/v1/auth/refresh", body))
        self._note(Kind.REFRESH, session.person, answer, session=session.id, repeated=session.unsure)
        session.unsure = answer.status != 200
        if answer.status == 200:
            session.access_tokens = [*session.access_tokens[-2:], answer.body["access_token"]]
            session.refresh_tokens.append(answer.body["refresh_token"])
        self._notice(session, answer)

    def _use_everywhere(self, session: Session) -> None:
        """Make every worker cache the session as live."""
        for connection in self._connections.all():
            self.read(session.person, session, connection)

    def _end(self, kind: Kind, own: Session, request: Request, ended: list[Session], **details: object) -> Answer:
        """Retry `request` until it is final; then try the ended sessions on every worker."""
        first = answer = self._any().send(request)
        repeatable = kind not in (Kind.PASSWORD, Kind.DELETE)
        for _ in range(ATTEMPTS):
            if answer.status not in (0, 503) or not repeatable:
                break
            self._note(kind, own.person, answer, session=own.id, **details)
            time.sleep(PAUSE_S)
            answer = self._any().send(request)
        operation = self._note(kind, own.person, answer, session=own.id, start=first.start, **details)
        if operation.promised:
            for each in ended:
                each.person.forget(each)
                self._world.ended.append(each)
            self._probe(ended)
        return answer

    def _probe(self, ended: list[Session]) -> None:
        connections = self._connections.all()
        self._random.shuffle(connections)
        for connection, session in zip(connections, itertools.cycle(ended), strict=False):
            self._random.choice((self.read, self.read, self.read, self.edit))(session.person, session, connection)

    def _notice(self, session: Session, answer: Answer) -> None:
        """Stop using a refused session; the checker decides whether the refusal was right."""
        if answer.status == 401:
            session.person.forget(session)

    def _any(self) -> Connection:
        return self._connections.any(self._random)


@contextmanager
def _if_free(lock: threading.Lock) -> Iterator[bool]:
    """Hold the lock if it is free; yields whether it was."""
    free = lock.acquire(blocking=False)
    try:
        yield free
    finally:
        if free:
            lock.release()


def _version(answer: Answer) -> int | None:
    """The version that the entity tag names."""
    tag = answer.headers.get("etag", "")
    return int(tag.strip('"').partition("-")[2]) if answer.status in (200, 304) and tag else None
