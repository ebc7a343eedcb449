"""How clients write, and note what was acknowledged when."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any, TypeVar

from tests.integration.freshness.harness.clients import Client
from tests.integration.freshness.harness.offers import Content, microseconds
from tests.integration.freshness.harness.record import Firm, Offer, Record, Timeline, Version
from tests.pods.connections import ATTEMPTS, PAUSE_S, Answer, Connections, Request

NOTHING: Mapping[str, str] = {}
Value = TypeVar("Value")
Busy = TypeVar("Busy", Firm, Offer)
Around = Callable[[int, Content | None, Content | None], AbstractContextManager[None]]
"""Entered around a write, with the company and what the posting said and will say."""


class Changes(Client):
    """Makes one write at a time; no two clients change the same posting or company at the same time."""

    def __init__(self, record: Record, connections: Connections, seed: int) -> None:
        """`short`: the share of new postings that end within seconds."""
        super().__init__(record, connections, seed)
        self.short = 0.3
        self.around: Around = lambda company, before, after: nullcontext()

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
            self._notice(offer, content, answer.body)
        firm.offers.append(offer)
        return offer

    def _change(
        self, kind: str, firm: Firm, offer: Offer, content: Content | None, more: Mapping[str, str] = NOTHING
    ) -> None:  # fmt: skip
        """Write another version, None: close it; repeated until it is acknowledged."""
        more = {"state": "open"} if offer.unsure else more
        body = {"state": "closed"} if content is None else {**content.body(), **more}
        self._write(kind, offer, content, Request("PATCH", f"/api/v1/jobs/{offer.id}", body, firm.owner.token))

    def _write(self, kind: str, offer: Offer, content: Content | None, request: Request) -> bool:
        """Send a request that makes the posting say this, until it is acknowledged; returns whether it is."""
        version = offer.content.begin(content, time.monotonic_ns())
        with self.around(offer.company, offer.said, content):
            version.start = time.monotonic_ns()
            answer = self._insist(kind, request)
        offer.unsure = offer.unsure or answer.status >= 500 or not answer.answered
        if not self._settle(answer, version, offer.content):
            return False
        offer.said, offer.draft, offer.unsure = content, False, False
        if content is not None:
            self._notice(offer, content, answer.body.get("job", answer.body))
        return True

    def _notice(self, offer: Offer, content: Content, shown: Mapping[str, Any]) -> None:
        """What the answer to a write shows of the posting: the time of its first opening, and what was written."""
        offer.id = shown["id"]
        if wrong := content.differs(shown):
            self._record.strange.append(f"the answer to a write shows other values of {wrong}: {shown}")
        elif not offer.published_us:
            offer.published_us = microseconds(datetime.fromisoformat(shown["published_at"]))

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
    def _an_offer(
        self, *, opened: bool, fitting: Callable[[Offer], bool] = lambda offer: True
    ) -> Iterator[tuple[Firm, Offer | None]]:  # fmt: skip
        """A posting that nobody else changes meanwhile, with its company; None if there is none at hand."""
        firm = self._random.choice([each for each in self._record.firms if not each.closed])
        offers = [each for each in list(firm.offers) if not each.taken_down]
        found = [each for each in offers if each.opened == opened and len(each.content.versions) > 1 and fitting(each)]
        with _one_free(self._random.sample(found, len(found))) as offer:
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
