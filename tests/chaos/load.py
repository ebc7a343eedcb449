"""A steady open-loop load on all pods: what users do, with checks of what they were promised.

Each operation is due at a fixed time, however long others take, and is sent to a pod at random, whether it is ready
or not, as a Service does until a failed readiness probe has removed it.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

from tests.chaos.bed import PASSWORD, Bed, email_of, word
from tests.chaos.log import LATE, NO_ANSWER, Done, Log
from tests.chaos.watchers import Followers, Promises
from tests.pods.connections import Answer, Connection, Request

PATIENCE_S = 10.0
"""How long a client waits for an answer."""
LATE_S = 3.0
"""An operation that takes longer counts as failed."""
MAIL_S, EVENT_S = 8.0, 3.0
THREADS = 600
PLACE = {"country": "DE", "city": "Berlin"}


@dataclass(frozen=True)
class Kind:
    """A kind of operation: how many a second, and how many in a row show that it works again."""

    name: str
    per_second: float
    in_row: int
    late_s: float = LATE_S


READ, SEARCH, EDIT, LOGIN, POST, ENDED, EVENT, MAIL = KINDS = (
    Kind("read", 20, 20),
    Kind("search", 8, 20),
    Kind("edit", 5, 20),
    Kind("login and logout", 4, 20),
    Kind("posting", 4, 20),
    Kind("ended session", 5, 20),
    Kind("event", 4, 12),
    Kind("alert mail", 2, 8, MAIL_S),
)


class Client:
    """Keep-alive connections to the pods; `bodies` of answers are for the operations to judge."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.pods = list(ports)
        self._ports = ports
        self._idle: dict[str, deque[Connection]] = {pod: deque() for pod in ports}

    def send(self, method: str, path: str, token: str = "", body: Any = None, pod: str = "") -> Answer:
        """Send to `pod`, or to one at random. A GET on a connection that was closed is sent again on a new one."""
        pod = pod or random.choice(self.pods)
        request = Request(method, f"/api/v1/{path}", body, token)
        connection, used = self._take(pod)
        answer = connection.send(request)
        if not answer.answered and used and method == "GET" and isinstance(connection.error, ConnectionError):
            connection = Connection(pod, self._ports[pod], PATIENCE_S)
            answer = connection.send(request)
        if not connection.broken:
            self._idle[pod].append(connection)
        return answer

    def _take(self, pod: str) -> tuple[Connection, bool]:
        with suppress(IndexError):
            while True:
                found = self._idle[pod].pop()
                if not found.ended():
                    return found, True
                found.close()
        return Connection(pod, self._ports[pod], PATIENCE_S), False


class Operations:
    """What is done for each kind; each returns what went wrong, or nothing. `promises` notes what must not happen."""

    def __init__(self, bed: Bed, client: Client, promises: Promises, followers: Followers) -> None:
        self._bed, self._client, self._promises, self._followers = bed, client, promises, followers
        self._numbers, self._alerts = count(1), count(0)
        self._tokens = {number: self._log_in(number) for number in range(1, len(bed.people.readers) + 1)}
        made = client.send("POST", "companies", self._tokens[1], {"name": "Acme"})
        self._company = int(made.body["id"])
        self._open: deque[int] = deque(maxlen=500)
        self.ended: deque[str] = deque(maxlen=300)

    def of(self, kind: Kind) -> Callable[[], str]:
        return {
            READ: self.read, SEARCH: self.search, EDIT: self.edit, LOGIN: self.log_in_and_out, POST: self.post,
            ENDED: self.try_ended, EVENT: self.event, MAIL: self.alert,
        }[kind]  # fmt: skip

    def read(self) -> str:
        """The own profile, others' profiles, or a posting."""
        people, draw = self._bed.people.readers, random.random()
        if draw < 0.6 or not self._open:
            return _told(self._client.send("GET", "users/me", self._token()), 200)
        if draw < 0.8:
            ids = ",".join(map(str, random.sample(people, 10)))
            return _told(self._client.send("GET", f"users/batch?ids={ids}", self._token()), 200)
        return _told(self._client.send("GET", f"jobs/{random.choice(self._open)}"), 200, 410)

    def search(self) -> str:
        query = random.choice(("q=nurse", "country=DE", "q=night nurse&total=true", f"q=zq{random.randrange(999)}x"))
        return _told(self._client.send("GET", f"jobs?{query.replace(' ', '+')}"), 200)

    def edit(self) -> str:
        body = {"headline": f"Headline {next(self._numbers)}"}
        return _told(self._client.send("PATCH", "users/me", self._token(), body), 200)

    def log_in_and_out(self) -> str:
        """Log in, use the token everywhere, log out; after the answer 204 no pod may accept the token."""
        answer = self._login(random.choice(list(self._tokens)))
        if told := _told(answer, 200):
            return told
        token = answer.body["access_token"]
        for pod in self._client.pods:
            self._client.send("GET", "users/me", token, pod=pod)
        answer = self._client.send("POST", "auth/logout", token)
        if answer.status != 204:
            self._promises.unfinished.append(token)
            return _told(answer, 204)
        self.ended.append(token)
        for pod in self._client.pods:
            self._refuses(token, pod)
        return ""

    def try_ended(self) -> str:
        """Try a token whose logout was answered with 204 some time ago."""
        return self._refuses(random.choice(self.ended), random.choice(self._client.pods)) if self.ended else ""

    def post(self) -> str:
        """Open a posting, which a search must find then; close it, which none may find then."""
        name = f"zp{next(self._numbers)}x"
        answer = self._create(f"Night nurse {name}")
        if told := _told(answer, 201):
            return told
        job = answer.body["id"]
        self._open.append(job)
        found = self._client.send("GET", f"jobs?q={name}")
        if found.status == 200 and job not in _ids(found):
            self._promises.break_one(f"a search did not find posting {job}, which was opened before")
        if told := _told(found, 200):
            return told
        answer = self._client.send("PATCH", f"jobs/{job}", self._tokens[1], {"state": "closed"})
        if told := _told(answer, 200):
            return told
        for path in (f"jobs?q={name}", f"jobs/{job}"):
            found = self._client.send("GET", path)
            if found.status == 200 and (path == f"jobs/{job}" or job in _ids(found)):
                self._promises.break_one(f"{path} showed posting {job}, which was closed before")
        return ""

    def event(self) -> str:
        """Change the profile of an account whose realtime client must be told so."""
        return self._followers.change(self._client, EVENT_S)

    def alert(self) -> str:
        """Open a posting for a saved search that has had none yet, and wait for its mail."""
        number = next(self._alerts) % len(self._bed.people.alerted)
        answer = self._create(f"Cook {word(number)}")
        if told := _told(answer, 201):
            return told
        self._promises.expect_mail(number)
        return "" if self._promises.mailed(number, MAIL_S) else NO_ANSWER

    def _create(self, title: str) -> Answer:
        body = {"title": title, "description": "<p>Work.</p>", "places": [PLACE], "language": "en"}
        return self._client.send("POST", f"companies/{self._company}/jobs", self._tokens[1], body)

    def _refuses(self, token: str, pod: str) -> str:
        answer = self._client.send("GET", "users/me", token, pod=pod)
        if answer.status == 200:
            self._promises.break_one(f"pod {pod} accepted a token after the answer 204 to its logout")
        return _told(answer, 401)

    def _login(self, number: int) -> Answer:
        return self._client.send("POST", "auth/login", body={"email": email_of(number), "password": PASSWORD})

    def _log_in(self, number: int) -> str:
        answer = self._login(number)
        assert answer.status == 200, answer
        return str(answer.body["access_token"])

    def _token(self) -> str:
        return random.choice(list(self._tokens.values()))


class Load:
    """Runs within the block."""

    def __init__(self, operations: Operations) -> None:
        self.log = Log({kind.name: kind.in_row for kind in KINDS})
        self._operations = operations
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, "user")
        self._clock = threading.Thread(target=self._run, name="load")
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._clock.join()
        self._pool.shutdown()

    def _run(self) -> None:
        begun = time.monotonic()
        due = {kind: begun + random.random() / kind.per_second for kind in KINDS}
        while not self._over.is_set():
            kind = min(due, key=lambda each: due[each])
            self._over.wait(max(0.0, due[kind] - time.monotonic()))
            self._pool.submit(self._do, kind, due[kind])
            due[kind] += 1 / kind.per_second

    def _do(self, kind: Kind, due: float) -> None:
        try:
            outcome = self._operations.of(kind)()
        except Exception as error:
            self.errors.append(f"{kind.name}: {type(error).__name__}: {error}")
            outcome = "error"
        end = time.monotonic()
        late = end - due > kind.late_s
        self.log.add(Done(kind.name, due, end, outcome or (LATE if late else "")))


def _told(answer: Answer, *expected: int) -> str:
    """What went wrong, empty for an expected status."""
    if answer.status in expected:
        return ""
    return str(answer.status) if answer.answered else NO_ANSWER


def _ids(answer: Answer) -> list[int]:
    return [int(each["id"]) for each in answer.body["items"]]
