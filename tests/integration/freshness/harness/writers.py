"""Clients that open, edit, move, close, reopen and expire postings, and rename, hand over and close companies."""

import itertools
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.integration.finality.harness.people import Session
from tests.integration.freshness.harness.imports import Importing
from tests.integration.freshness.harness.offers import edited, lasting, moved, new_content, relocated, restored
from tests.integration.freshness.harness.record import Firm, Offer, Record, Timeline
from tests.pods.connections import Connections, Request

_names = itertools.count(1)


class Writer(Importing):
    """Does one random write at a time."""

    def __init__(self, record: Record, connections: Connections, seed: int, owners: list[Session], size: int) -> None:
        """`size` is the number of open postings that the writers keep up."""
        super().__init__(record, connections, seed)
        self._owners, self._size, self._counted = owners, size, -1
        self._actions: dict[Callable[[], None], int] = {
            self.add: 8,
            self.add_twin: 8,
            self.add_draft: 3,
            self.edit: 30,
            self.move: 12,
            self.relocate: 8,
            self.restore: 4,
            self.close: 16,
            self.reopen: 8,
            self.put: 8,
            self.send_lines: 2,
            self.feed: 1,
            self.rename: 3,
            self.hand_over: 1,
        }
        if record.admin is not None:
            self._actions |= {self.take_down: 4, self.verify: 4}

    def write(self) -> None:
        opened = self._opened()
        action = self._random.choices(list(self._actions), list(self._actions.values()))[0]
        if opened < 0.6 * self._size:
            action = self._random.choice((self.add, self.add_twin, self.put))
        elif opened > 1.4 * self._size:
            action = self.close if self._random.random() < 0.8 else self.close_company
        action()

    def add(self) -> None:
        """Open a posting; some end within seconds."""
        with self._a_firm() as firm:
            if firm is not None:
                self._create(firm, new_content(self._random, short=self._random.random() < self.short))

    def add_twin(self) -> None:
        """Open a near-duplicate of a posting of the same company."""
        with self._a_firm() as firm:
            if firm is not None and (twin := self._twin(firm)) is not None:
                self._create(firm, twin)

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

    def relocate(self) -> None:
        """Move a posting that goes on resembling others."""
        with self._an_offer(opened=True) as (firm, offer):
            if offer is not None and offer.said is not None:
                self._change("relocate", firm, offer, relocated(offer.said, self._random))

    def restore(self) -> None:
        """Let a posting say again what it said at first, when it resembled others."""
        with self._an_offer(opened=True, fitting=Offer.strayed) as (firm, offer):
            if offer is not None and offer.said is not None and (first := offer.first) is not None:
                self._change("restore", firm, offer, restored(offer.said, first))

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

    def take_down(self) -> None:
        """An administrator closes a posting, which nobody can open again."""
        with self._an_offer(opened=True) as (_, offer):
            if offer is not None:
                offer.taken_down = True
                version = offer.content.begin(None, time.monotonic_ns())
                path = f"/api/v1/admin/jobs/{offer.id}/take-down"
                answer = self._insist("take down", Request("POST", path, {"reason": "spam"}, self._record.admin.token))
                if self._settle(answer, version, offer.content):
                    offer.said = None

    def verify(self) -> None:
        """An administrator verifies a company, or takes that back."""
        with self._a_firm() as firm:
            if firm is not None:
                verified = not firm.verified.latest
                version = firm.verified.begin(verified, time.monotonic_ns())
                path = f"/api/v1/admin/companies/{firm.id}/verify"
                request = Request("POST" if verified else "DELETE", path, token=self._record.admin.token)
                self._settle(self._insist("verify", request), version, firm.verified)

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
