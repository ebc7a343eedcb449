"""Clients that write as the systems of companies do: single postings by their names there, lines, and full feeds."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from tests.integration.freshness.harness.changes import Changes
from tests.integration.freshness.harness.offers import (
    Content,
    edited,
    lasting,
    microseconds,
    new_content,
    relocated,
    twin_of,
)
from tests.integration.freshness.harness.record import Firm, Offer, Version
from tests.pods.connections import Answer, Request

SOURCE = "ats"
NDJSON = (("Content-Type", "application/x-ndjson"),)
BAD_LINE = {"external_id": "bad", "title": ""}
CHANGED, NEW_MOST, LEFT_OUT = 2, 2, 0.2
STATUS = {"created": 201, "changed": 200, "unchanged": 304, "refused": 422}
Said = list[tuple[Offer, Content]]


class Importing(Changes):
    """Imports postings; each import is repeated until it is acknowledged, which may be done with new ones as well."""

    def put(self) -> None:
        """Create or replace one posting."""
        with self._a_firm() as firm, ExitStack() as held:
            if firm is None:
                return
            known = self._held(firm, held, 1) if self._random.random() < 0.6 else []
            for offer, content in [(each, self._next(each)) for each in known] or self._new(firm, 1):
                path = f"/api/v1/companies/{firm.id}/jobs/{SOURCE}/o{offer.number}"
                if self._write("put", offer, content, Request("PUT", path, content.body(), firm.owner.token)):
                    self._keep(firm, offer)

    def send_lines(self) -> None:
        """Import some new postings and other versions of some that are there, beside a line that is refused."""
        with self._a_firm() as firm, ExitStack() as held:
            if firm is not None:
                said = [(each, self._next(each)) for each in self._held(firm, held, CHANGED)]
                path = f"/api/v1/companies/{firm.id}/jobs/import?source={SOURCE}"
                self._import(firm, path, said + self._new(firm, NEW_MOST))

    def feed(self) -> None:
        """Import everything that a source has, in a run whose commit closes what it does not name."""
        with self._a_firm() as firm, ExitStack() as held:
            if firm is None:
                return
            every = [each for each in firm.offers if each.imported and not each.taken_down]
            if len(self._held(firm, held, len(every))) < len(every):
                return
            runs = f"/api/v1/companies/{firm.id}/feeds/{SOURCE}/runs"
            begun = self._insist("begin a run", Request("POST", runs, token=firm.owner.token))
            if begun.status == 201:
                self._run(firm, f"{runs}/{begun.body['id']}", [each for each in every if each.said is not None])
            elif begun.status == 409 and (first := re.search(r"run (\d+)", begun.detail)):
                self._insist("end a run", Request("DELETE", f"{runs}/{first[1]}", token=firm.owner.token))

    def _run(self, firm: Firm, run: str, opened: Sequence[Offer]) -> None:
        gone = [each for each in opened if self._random.random() < LEFT_OUT]
        said = [(each, self._same(each) or self._next(each)) for each in opened if each not in gone]
        if not self._import(firm, f"{run}/lines", said + self._new(firm, NEW_MOST)):
            return
        start = time.monotonic_ns()
        ends = [(offer, offer.content.begin(None, start)) for offer in gone]
        answer = self._insist("commit a run", Request("POST", f"{run}/commit", token=firm.owner.token))
        if answer.code == "mass_close":
            answer = self._insist("commit a run", Request("POST", f"{run}/commit?force=true", token=firm.owner.token))
        for offer, version in ends:
            if self._settle(answer, version, offer.content):
                offer.said, offer.unsure = None, False
            else:
                offer.unsure = True

    def _import(self, firm: Firm, path: str, said: Said) -> bool:
        """Send lines until they are acknowledged, and note what became of each; returns whether they were."""
        start = time.monotonic_ns()
        begun = [None if content is offer.said else offer.content.begin(content, start) for offer, content in said]
        lines = [{**content.body(), "external_id": f"o{offer.number}"} for offer, content in said]
        body = b"\n".join(json.dumps(each).encode() for each in (*lines, BAD_LINE))
        answer = self._insist("import", Request("POST", path, body, firm.owner.token, NDJSON))
        reports = answer.body if answer.status == 200 else [{}] * (len(said) + 1)
        if answer.status == 200 and [each["line"] for each in reports] != [*range(1, len(said) + 2)]:
            self._record.strange.append(f"{len(lines)} lines and a bad one were answered {reports}")
        for (offer, content), version, report in zip(said, begun, reports, strict=False):
            if report:
                self._record.answers[f"line {report['status']}", STATUS[report["status"]]] += 1
            if version is not None:
                self._reported(firm, (offer, content), version, report, answer)
        self._read_new([offer for offer, _ in said if offer.id and not offer.published_us])
        return answer.status == 200

    def _reported(
        self, firm: Firm, said: tuple[Offer, Content], version: Version[Any], report: Mapping[str, Any], answer: Answer
    ) -> None:
        """What became of a line; a refused one may be the repetition of one that was stored."""
        offer, content = said
        if report.get("status") not in ("created", "changed", "unchanged"):
            offer.unsure = True
            return
        version.end, offer.said, offer.unsure, offer.id = answer.end, content, False, report["id"]
        self._keep(firm, offer)

    def _keep(self, firm: Firm, offer: Offer) -> None:
        if not offer.imported:
            offer.imported = True
            firm.offers.append(offer)

    def _read_new(self, offers: Sequence[Offer]) -> None:
        """Ask when postings were opened, which reports of lines do not say."""
        if offers:
            path = f"/api/v1/jobs/batch?ids={','.join(str(each.id) for each in offers)}"
            answer = self.send("batch", Request("GET", path))
            opened = {each["id"]: each["published_at"] for each in answer.body["jobs"]} if answer.status == 200 else {}
            for offer in offers:
                if offer.id in opened:
                    offer.published_us = microseconds(datetime.fromisoformat(opened[offer.id]))

    def _held(self, firm: Firm, held: ExitStack, most: int) -> list[Offer]:
        """Some imported postings of the company that nobody else changes meanwhile."""
        found: list[Offer] = []
        offers = [each for each in firm.offers if each.imported and not each.taken_down]
        for offer in self._random.sample(offers, len(offers)):
            if len(found) < most and offer.busy.acquire(blocking=False):
                held.callback(offer.busy.release)
                found.append(offer)
        return found

    def _new(self, firm: Firm, most: int) -> Said:
        """New postings, some of which are near-duplicates of others."""
        made: Said = []
        for _ in range(self._random.randint(1, most)):
            content = new_content(self._random)
            if self._random.random() < 0.3 and (alike := self._twin(firm)) is not None:
                content = alike
            offer = self._record.offers[content.number] = Offer(content.number, firm.id)
            made.append((offer, content))
        return made

    def _twin(self, firm: Firm) -> Content | None:
        """A near-duplicate of an open posting whose cluster is known."""
        known = [each for each in firm.offers if each.opened and each.acknowledged]
        said = self._random.choice(known).said if known else None
        twin = None if said is None else twin_of(said, self._random, short=self._random.random() < self.short / 2)
        return None if twin is None or twin.number in self._record.offers else twin

    def _next(self, offer: Offer) -> Content:
        """Another version, or the same elsewhere."""
        last = next(each.value for each in reversed(offer.content.versions) if each.value is not None)
        return lasting(relocated(last, self._random) if self._random.random() < 0.3 else edited(last, self._random))

    def _same(self, offer: Offer) -> Content | None:
        """What it says, if it is to be left as it is."""
        return offer.said if offer.opened and not offer.unsure and self._random.random() < 0.5 else None
