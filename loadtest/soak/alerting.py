"""Postings that are opened, alerted of by mail once each, and closed; and accounts that come and go by mail."""

import re
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from app.local.process import becomes_true
from loadtest.bed import ME, PASSWORD
from loadtest.soak.mix import Offers
from loadtest.soak.people import LOGIN, Client, Dead, Person
from loadtest.soak.record import Kind, Record, Unexpected
from tests.smtp import SmtpServer, Taken

WATCHERS, FIRST_WATCHER, RECRUITER = 200, 5001, 9001
EVERY_S, LATEST_S = 2.0, 60.0
"""With so many watchers none has two mails within the five minutes that lie between two mails of an account."""

PAGES, LINKS = "https://jobs.example/jobs/", "https://jobs.example/account"
OPENED_KEPT = 10
OPEN, CLOSE, MAIL = Kind("open a posting", "writes"), Kind("close a posting", "writes"), Kind("alert by mail", "mails")
SAVE, COMPANY = Kind("save an alert", "others"), Kind("found a company", "others")
REGISTER, VERIFY = Kind("register", "passwords"), Kind("prove the address", "writes")
PROOF, ERASE = Kind("link by mail", "mails"), Kind("delete the account", "passwords")
_LINK = re.compile(rf"{re.escape(LINKS)}/\S+")


class Mailbox:
    """What a mail server has received, by address."""

    def __init__(self, server: SmtpServer) -> None:
        self._taken, self._read = server.plan.taken, 0
        self._lock = threading.Lock()
        self._of: dict[str, list[tuple[float, str]]] = defaultdict(list)

    def of(self, email: str) -> list[tuple[float, str]]:
        """(time of the monotonic clock, text) of each mail."""
        with self._lock:
            while self._read < len(self._taken):
                self._add(self._taken[self._read])
                self._read += 1
            return list(self._of[email])

    def _add(self, taken: Taken) -> None:
        body = taken.mail.get_body(("plain",))
        self._of[str(taken.mail["To"])].append((taken.at, body.get_content() if body else ""))


@dataclass
class Alerts:
    """Opens a posting for each watcher in turn; `expected` are the times at which each was answered."""

    client: Client
    mailbox: Mailbox
    offers: Offers
    token_s: float
    expected: dict[tuple[str, int], float] = field(default_factory=dict)
    _open: deque[tuple[int, str]] = field(default_factory=deque)
    _number: int = 0

    def prepare(self) -> None:
        """A company, and a search that each watcher saves."""
        self._recruiter = Person(RECRUITER, self.token_s)
        body = {"name": "Soak", "slug": "soak"}
        answer = self.client.ask(
            COMPANY, "POST", "/api/v1/companies", self._recruiter.token(self.client), body, wanted=201
        )  # fmt: skip
        self._jobs = f"/api/v1/companies/{answer.json()['id']}/jobs"
        for number in range(WATCHERS):
            body = {"name": "Mine", "query": f"q=sentinel{number}&lang=en", "frequency": "instant"}
            token = Person(FIRST_WATCHER + number, self.token_s).token(self.client)
            self.client.ask(SAVE, "POST", "/api/v1/saved-searches", token, body, wanted=201)

    def step(self) -> None:
        """Open a posting; once its mail has come, or is too late, it is closed."""
        number = self._number % WATCHERS
        self._number += 1
        token = self._recruiter.token(self.client)
        body = {
            "title": f"Sentinel{number} nurse",
            "description": f"<p>Number {self._number}.</p>",
            "language": "en",
            "state": "open",
        }
        job = int(self.client.ask(OPEN, "POST", self._jobs, token, body, wanted=201).json()["id"])
        email = f"user{FIRST_WATCHER + number}@example.com"
        self.expected[email, job] = time.monotonic()
        self.offers.newest = f"/api/v1/jobs/{job}"
        self._open.append((job, email))
        while len(self._open) > OPENED_KEPT and self._may_close(*self._open[0]):
            path = f"/api/v1/jobs/{self._open.popleft()[0]}"
            self.client.ask(CLOSE, "PATCH", path, self._recruiter.token(self.client), {"state": "closed"})

    def told(self, email: str, job: int) -> list[float]:
        """When each mail that names the posting came."""
        return [at for at, text in self.mailbox.of(email) if re.search(rf"{PAGES}{job}\b", text)]

    def settle(self) -> Counter[int]:
        """Wait for the last mails; returns how many postings were told of how often, and notes the delays."""
        becomes_true(lambda: all(self.told(*each) for each in self.expected), LATEST_S)
        times = Counter[int]()
        for each, answered in self.expected.items():
            mails = self.told(*each)
            times[len(mails)] += 1
            if mails:
                self.client.record.answered(MAIL, (mails[0] - answered) * 1000)
        return times

    def _may_close(self, job: int, email: str) -> bool:
        late = time.monotonic() - self.expected[email, job] > LATEST_S
        return late or bool(self.told(email, job))


@dataclass
class Newcomers:
    """Accounts that register, prove their address by a link, log in and are deleted."""

    client: Client
    mailbox: Mailbox
    _number: int = 0

    def step(self) -> None:
        self._number += 1
        email = f"newcomer{self._number}@example.com"
        body = {"email": email, "password": PASSWORD, "name": "New Comer"}
        ask, patiently = self.client.ask, self.client.ask_patiently
        patiently(REGISTER, "POST", "/api/v1/auth/register", body=body, wanted=201)
        began = time.monotonic()
        if not becomes_true(lambda: bool(self._links(email)), LATEST_S):
            raise Unexpected(f"{email} gets no mail")
        self.client.record.answered(PROOF, (self.mailbox.of(email)[0][0] - began) * 1000)
        ask(VERIFY, "POST", "/api/v1/auth/verify", body={"token": self._links(email)[0]}, wanted=204)
        given = patiently(LOGIN, "POST", "/api/v1/auth/login", body={"email": email, "password": PASSWORD}).json()
        patiently(ERASE, "DELETE", ME, given["access_token"], {"password": PASSWORD}, wanted=204)
        self.client.dead.append(Dead(given["access_token"], time.monotonic() + given["expires_in"] - 1))

    def _links(self, email: str) -> list[str]:
        links = [link for _, text in self.mailbox.of(email) for link in _LINK.findall(text)]
        return [parse_qs(urlsplit(link).query)["token"][0] for link in links]


def repeatedly(
    step: Callable[[], object], every_s: float, over: threading.Event, record: Record, name: str
) -> threading.Thread:  # fmt: skip
    """Do something again and again in a thread of its own, until `over` is set; a failure is noted."""

    def run() -> None:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            due = max(due + every_s, time.monotonic())
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure of the run
                record.failed(Kind(name, "failed"), f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run, name=name)
    thread.start()
    return thread
