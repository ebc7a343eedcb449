"""Clients that open, edit, move, close, reopen and expire postings, and rename, hand over and close companies."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TypeVar

from tests.integration.finality.harness.people import Session
from tests.integration.freshness.harness.offers import EPOCH, Content, edited, lasting, moved, new_content
from tests.integration.freshness.harness.record import Firm, Offer, Record, Timeline, Version
from tests.pods.connections import Answer, Connection, Connections, Request

ATTEMPTS, PAUSE_S = 100, 0.1
PERIOD_S, CALM_S, SETTLED_S = 1.2, 0.4, 0.1
NOTHING: Mapping[str, str] = {}
Value = TypeVar("Value")
Busy = TypeVar("Busy", Firm, Offer)
Around = Callable[[int, Content | None, Content | None], AbstractContextManager[None]]
"""Entered around a write, with the company and what the posting said and will say."""
_names = itertools.count(1)


class Pace:
    """Shares `rate` steps a second among several clients; none is due in the last `calm_s` of each period.

    During a calm what is kept of a search can be used, so that it shows whether it is out of date.
    """

    def __init__(self, rate: float, calm_s: float = 0.0) -> None:
        self._busy_s, self._due, self._lock = PERIOD_S - calm_s, time.monotonic(), threading.Lock()
        self._pause_s = self._busy_s / PERIOD_S / rate

    def wait(self) -> None:
        """Return when the next step is due; a pace that fell behind does not hurry."""
        with self._lock:
            now = time.monotonic()
            due = max(self._due + self._pause_s, now)
            self._due = due if due % PERIOD_S <= self._busy_s else due + PERIOD_S - due % PERIOD_S
            pause = self._due - now
        time.sleep(pause)

    def rests(self) -> bool:
        """Whether a calm has begun some time ago and is not over."""
        return time.monotonic() % PERIOD_S > self._busy_s + SETTLED_S


class Client:
    """Sends over connections to all workers, and counts the answers by their status."""

    def __init__(self, record: Record, connections: Connections, seed: int) -> None:
        self._record, self._connections, self._random = record, connections, random.Random(seed)

    def send(self, kind: str, request: Request, connection: Connection | None = None) -> Answer:
        """Send to a random worker unless a connection is given."""
        answer = (connection or self._any()).send(request)
        self._record.answers[kind, answer.status] += 1
        if answer.status not in (0, 503) and answer.status >= 500:
            self._record.strange.append(f"{request.method} {request.path} was answered {answer.status} {answer.body}")
        return answer

    def _any(self) -> Connection:
        for _ in range(ATTEMPTS):
            if usable := self._connections.all():
                return self._random.choice(usable)
            time.sleep(PAUSE_S)
        raise AssertionError("no pod can be reached")


class Writer(Client):
    """Does one random write at a time; no two writers change the same posting or company at the same time."""

    def __init__(self, record: Record, connections: Connections, seed: int, owners: list[Session], size: int) -> None:
        """`size` is the number of open postings that the writers keep up; `short`: the share that ends in seconds."""
        super().__init__(record, connections, seed)
        self._owners, self._size, self._counted = owners, size, -1
        self.short = 0.3
        self.around: Around = lambda company, before, after: nullcontext()
        self._actions: dict[Callable[[], None], int] = {
            self.add: 14,
            self.add_draft: 3,
            self.edit: 40,
            self.move: 15,
            self.close: 16,
            self.reopen: 8,
            self.rename: 3,
            self.hand_over: 1,
        }

    def write(self) -> None:
        opened = self._opened()
        action = self._random.choices(list(self._actions), list(self._actions.values()))[0]
        if opened < 0.6 * self._size:
            action = self.add
        elif opened > 1.4 * self._size:
            action = self.close if self._random.random() < 0.8 else self.close_company
        action()

    def add(self) -> None:
        """Open a posting; some end within seconds."""
        with self._a_firm() as firm:
            if firm is not None:
                self._create(firm, new_content(self._random, short=self._random.random() < self.short))

    def add_draft(self) -> None:
        """Write a draft, which nobody finds; then open or delete it."""
        with self._a_firm() as firm:
            if firm is None:
                return
            drafted = new_content(self._random)
            offer = self._create(firm, drafted, draft=True)
        if offer is not None and offer.busy.acquire(blocking=False):
            try:
                content = edited(drafted, self._random)
                if self._random.random() < 0.5:
                    self.send("delete a draft", Request("DELETE", f"/api/v1/jobs/{offer.id}", token=firm.owner.token))
                    offer.draft = False
                else:
                    self._change("open a draft", firm, offer, content, {"state": "open"})
            finally:
                offer.busy.release()

    def edit(self) -> None:
        with self._an_offer(opened=True) as (firm, offer):
            if offer is not None and offer.said is not None:
                self._change("edit", firm, offer, edited(offer.said, self._random))

    def move(self) -> None:
        with self._an_offer(opened=True) as (firm, offer):
            if offer is not None and offer.said is not None:
                self._change("move", firm, offer, moved(offer.said, self._random))

    def close(self) -> None:
        with self._an_offer(opened=True) as (firm, offer):
            if offer is not None:
                self._change("close", firm, offer, None)

    def reopen(self) -> None:
        with self._an_offer(opened=False) as (firm, offer):
            if offer is not None:
                before = [each.value for each in offer.content.versions if each.value is not None]
                again = lasting(edited(before[-1], self._random))
                self._change("reopen", firm, offer, again, {"state": "open"})

    def rename(self) -> None:
        with self._a_firm() as firm:
            if firm is None:
                return
            name = f"Firm {next(_names)}"
            version = firm.name.begin(name, time.monotonic_ns())
            request = Request("PATCH", f"/api/v1/companies/{firm.id}", {"name": name}, firm.owner.token)
            self._settle(self._insist("rename", request), version, firm.name)

    def hand_over(self) -> None:
        """Make somebody else the only owner, after which the former one may write nothing more."""
        with self._a_firm() as firm:
            if firm is None:
                return
            former, after = firm.owner, self._random.choice(self._owners)
            if after.person is former.person:
                return
            members, who = f"/api/v1/companies/{firm.id}/members", {"email": after.person.email, "role": "owner"}
            if self.send("invite", Request("POST", members, who, former.token)).status not in (201, 409):
                return
            firm.owner = after
            gone = self.send("leave", Request("DELETE", f"{members}/{former.person.id}", token=former.token))
            if gone.status == 204:
                late = Request("PATCH", f"/api/v1/companies/{firm.id}", {"name": "Stolen"}, former.token)
                if (answer := self.send("write of a former owner", late)).status not in (0, 403, 503):
                    self._record.strange.append(f"a former owner's write was answered {answer.status}")

    def close_company(self) -> None:
        """Close a company and with it all its postings; another one takes its place."""
        with ExitStack() as held:
            firm = held.enter_context(self._a_firm())
            if firm is None or sum(offer.opened for offer in firm.offers) > self._size / 8:
                return
            for offer in firm.offers:
                held.enter_context(offer.busy)
            start = time.monotonic_ns()
            ends = [(offer, offer.content.begin(None, start)) for offer in firm.offers]
            request = Request("DELETE", f"/api/v1/companies/{firm.id}", token=firm.owner.token)
            answer = self._insist("close a company", request)
            firm.closed = True
            for offer, version in ends:
                offer.said = None
                version.end = answer.end if answer.status == 204 else version.end
        self.found(firm.owner)

    def found(self, owner: Session) -> Firm | None:
        """A new company."""
        name = f"Firm {next(_names)}"
        answer = self.send("found a company", Request("POST", "/api/v1/companies", {"name": name}, owner.token))
        if answer.status != 201:
            return None
        firm = Firm(answer.body["id"], owner, Timeline(name))
        self._record.firms.append(firm)
        return firm

    def _opened(self) -> int:
        """How many postings are open; counted at some of the writes only, because it takes long."""
        if self._counted < 0 or self._random.random() < 0.1:
            firms = [firm for firm in self._record.firms if not firm.closed]
            self._counted = sum(offer.opened for firm in firms for offer in list(firm.offers))
        return self._counted

    def _create(self, firm: Firm, content: Content, draft: bool = False) -> Offer | None:
        """It is not repeated, as the repetition would be another posting; None if it got no answer."""
        offer = Offer(content.number, firm.id)
        version = None if draft else offer.content.begin(content, time.monotonic_ns())
        self._record.offers[content.number] = offer
        body = content.body() | {"state": "draft" if draft else "open"}
        request = Request("POST", f"/api/v1/companies/{firm.id}/jobs", body, firm.owner.token)
        with self.around(firm.id, None, None if draft else content):
            if version is not None:
                version.start = time.monotonic_ns()
            answer = self.send("open", request)
        if answer.status != 201:
            if 0 < answer.status < 500 and version is not None:
                offer.content.refused(version)
            return None
        offer.id, offer.draft = answer.body["id"], draft
        if version is not None:
            version.end, offer.said = answer.end, content
            self._notice(offer, content, answer)
        firm.offers.append(offer)
        return offer

    def _change(
        self, kind: str, firm: Firm, offer: Offer, content: Content | None, more: Mapping[str, str] = NOTHING
    ) -> None:
        """Write another version, None: close it; repeated until it is acknowledged."""
        version = offer.content.begin(content, time.monotonic_ns())
        more = {"state": "open"} if offer.unsure else more
        body = {"state": "closed"} if content is None else {**content.body(), **more}
        request = Request("PATCH", f"/api/v1/jobs/{offer.id}", body, firm.owner.token)
        with self.around(firm.id, offer.said, content):
            version.start = time.monotonic_ns()
            answer = self._insist(kind, request)
        offer.unsure = offer.unsure or answer.status >= 500 or not answer.answered
        if self._settle(answer, version, offer.content):
            offer.said, offer.draft, offer.unsure = content, False, False
            if content is not None:
                self._notice(offer, content, answer)

    def _notice(self, offer: Offer, content: Content, answer: Answer) -> None:
        """What the answer to a write says of the posting: the time of its first opening, and what was written."""
        if wrong := content.differs(answer.body):
            self._record.strange.append(f"the answer to a write shows other values of {wrong}: {answer.body}")
        elif not offer.published_us:
            opened = datetime.fromisoformat(answer.body["published_at"])
            offer.published_us = (opened - EPOCH) // timedelta(microseconds=1)

    def _insist(self, kind: str, request: Request) -> Answer:
        """Repeat until it is answered; the status of a refused repetition is 503, as it does not say what happened."""
        answer = self.send(kind, request)
        for _ in range(ATTEMPTS):
            if answer.status not in (0, 503):
                return answer
            time.sleep(PAUSE_S)
            answer = self.send(kind, request)
            if 400 <= answer.status < 500:
                return Answer(answer.start, answer.end, 503)
        return answer

    @staticmethod
    def _settle(answer: Answer, version: Version[Value], timeline: Timeline[Value]) -> bool:
        """Note when a version was acknowledged, or that it was refused; returns whether it was acknowledged."""
        if 200 <= answer.status < 300:
            version.end = answer.end
        elif 0 < answer.status < 500:
            timeline.refused(version)
        return 200 <= answer.status < 300

    @contextmanager
    def _a_firm(self) -> Iterator[Firm | None]:
        """A company that nobody else changes meanwhile; None if all are busy."""
        firms = [each for each in self._record.firms if not each.closed]
        with _one_free(self._random.sample(firms, len(firms))) as firm:
            yield None if firm is None or firm.closed else firm

    @contextmanager
    def _an_offer(self, *, opened: bool) -> Iterator[tuple[Firm, Offer | None]]:
        """A posting that nobody else changes meanwhile, with its company; None if there is none at hand."""
        firm = self._random.choice([each for each in self._record.firms if not each.closed])
        fitting = [each for each in list(firm.offers) if each.opened == opened and len(each.content.versions) > 1]
        with _one_free(self._random.sample(fitting, len(fitting))) as offer:
            stays = offer is not None and not firm.closed and offer.opened == opened
            yield firm, offer if stays else None


@contextmanager
def _one_free(things: Iterable[Busy]) -> Iterator[Busy | None]:
    """Hold the first one that nobody holds."""
    found = next((each for each in things if each.busy.acquire(blocking=False)), None)
    try:
        yield found
    finally:
        if found is not None:
            found.busy.release()
