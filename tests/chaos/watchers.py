"""What watches the promises during the campaign, and judges them at its end."""

import re
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import psycopg2

from app.local.process import becomes_true
from tests.api_client import Api, Person
from tests.chaos.bed import PASSWORD, Bed, email_of, word
from tests.chaos.log import LATE, NO_ANSWER
from tests.integration.realtime.test_checker import Client as Follower

if TYPE_CHECKING:
    from tests.chaos.load import Client

SAMPLE_S = 0.2
SETTLE_S = 60.0
BACKENDS = """
SELECT count(*) FROM pg_stat_activity
 WHERE usename = 'jobfinder' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Promises:
    """What was promised and broken; `unfinished` are tokens whose logout was not answered with 204 yet."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self.broken: list[str] = []
        self.unfinished: list[str] = []
        self.expected: list[tuple[float, int]] = []
        self.most = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._count, self._collect)]
        self._mailed: dict[str, float] = {}

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def break_one(self, what: str) -> None:
        self.broken.append(what)

    def expect_mail(self, number: int) -> None:
        """The posting for the `number`th saved search was acknowledged."""
        self.expected.append((time.monotonic(), number))

    def mailed(self, number: int, within_s: float = 0.0) -> bool:
        """Whether a mail told of it, or does so within some seconds."""
        return becomes_true(lambda: word(number) in self._mailed, within_s)

    def mailed_at(self, start: float = 0.0, end: float = float("inf")) -> float | None:
        """When the last of the postings was mailed that were acknowledged from `start` to `end`; None if one was not.

        `end` if there are none.
        """
        moments = [self._mailed.get(word(number)) for at, number in list(self.expected) if start <= at <= end]
        known = [each for each in moments if each is not None]
        return max([*known, end]) if len(known) == len(moments) else None

    def end(self, client: "Client", followers: "Followers") -> None:
        """Judge what can be judged at the end alone."""
        for token in self.unfinished:
            if not becomes_true(lambda: client.send("POST", "auth/logout", token).status in (204, 401), SETTLE_S):
                self.break_one("a repeated logout was not answered with 204")
            for pod in client.pods:
                if client.send("GET", "users/me", token, pod=pod).status == 200:
                    self.break_one(f"pod {pod} accepted a token after the answer 204 to its repeated logout")
        if not becomes_true(lambda: self.mailed_at() is not None, SETTLE_S):
            self.broken += [f"no mail for {word(each)}" for _, each in self.expected if word(each) not in self._mailed]
        self.broken += repeated(self._bed.mail.taken(), [word(number) for _, number in self.expected])
        self.broken += followers.judge(client)

    def _collect(self) -> None:
        read = 0
        while not self._over.wait(0.05):
            taken = self._bed.mail.taken()
            for at, _, _, text in taken[read:]:
                for each in words_of(text):
                    self._mailed.setdefault(each, at)
            read = len(taken)

    def _count(self) -> None:
        """Compare the connections to PostgreSQL with the budget."""
        while not self._over.is_set():
            with suppress(psycopg2.Error, OSError):
                connection = psycopg2.connect(self._bed.postgres.url("postgres", "postgres"), connect_timeout=2)
                connection.autocommit = True
                with connection.cursor() as cursor:
                    while not self._over.wait(SAMPLE_S):
                        cursor.execute(BACKENDS)
                        self._note(cursor.fetchone()[0])  # type: ignore[index]
            self._over.wait(SAMPLE_S)

    def _note(self, connections: int) -> None:
        self.most = max(self.most, connections)
        if connections > self._bed.budget:
            self.break_one(f"{connections} connections to PostgreSQL, with a budget of {self._bed.budget}")


def words_of(text: str) -> set[str]:
    """The words of saved searches that a mail names."""
    return set(re.findall(r"\bzq\d+x\b", text))


def repeated(taken: list[tuple[float, str, str, str]], words: list[str]) -> list[str]:
    """Words that stand in mails of different Message-IDs: alerts that were sent twice."""
    names: dict[str, set[str]] = {}
    for _, name, _, text in taken:
        for each in words_of(text):
            names.setdefault(each, set()).add(name)
    return [
        f"the alert of {each} was sent in {len(names[each])} mails" for each in words if len(names.get(each, ())) > 1
    ]


class Followers:
    """Realtime clients, each of an account whose profile is changed; `odd` events and gaps are judged at the end."""

    def __init__(self, bed: Bed, client: "Client") -> None:
        self._people: list[Person] = []
        self._clients: list[Follower] = []
        self._locks = [threading.Lock() for _ in bed.people.followed]
        self._changes: Counter[int] = Counter()
        first = len(bed.people.readers) + 1
        for number, user in enumerate(bed.people.followed):
            person = Person(Api(f"http://127.0.0.1:{bed.pods[0].port}", bed.query), user, email_of(first + number))
            body = {"email": person.email, "password": PASSWORD}
            person.token = client.send("POST", "auth/login", body=body).body["access_token"]
            self._people.append(person)
            self._clients.append(Follower(person, bed.gateways, number))

    def __enter__(self) -> Self:
        for each in self._clients:
            each.start()
        assert all(each.connected.wait(30) for each in self._clients)
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._clients:
            each.over.set()

    def change(self, client: "Client", within_s: float) -> str:
        """Rename one of the accounts and wait until its client is told; returns what went wrong."""
        number = min(range(len(self._people)), key=lambda each: (self._changes[each], each))
        self._changes[number] += 1
        person, follower = self._people[number], self._clients[number]
        with self._locks[number]:
            answer = client.send("PATCH", "users/me", person.token, {"name": f"Ada {time.monotonic_ns()}"})
        if answer.status != 200:
            return str(answer.status) if answer.answered else NO_ANSWER
        version = answer.body["version"]
        return "" if becomes_true(lambda: bool(follower.seen) and follower.seen[-1] >= version, within_s) else LATE

    def judge(self, client: "Client") -> list[str]:
        """What clients were not told, were told twice or out of order, or should not have been told."""
        broken: list[str] = []
        for person, follower in zip(self._people, self._clients, strict=True):
            whole = list(range(2, _version(client, person) + 1))
            if not becomes_true(lambda: follower.seen == whole or bool(follower.odd), SETTLE_S):
                missing = sorted(set(whole) - set(follower.seen))
                twice = len(follower.seen) - len(set(follower.seen))
                broken.append(f"a client missed the versions {missing[:5]} of {len(whole)} and got {twice} twice")
            broken += [f"a client got {event}" for event in follower.odd]
        return broken


def _version(client: "Client", person: Person) -> int:
    """The version of the account's profile now."""
    answer = client.send("GET", "users/me", person.token)
    assert answer.status == 200, answer
    return int(answer.body["version"])
