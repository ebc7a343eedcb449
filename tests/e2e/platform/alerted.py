"""An account that is alerted of each posting that it opens, while something happens to the release."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import requests

from tests.api_client import Api, Person
from tests.e2e.cluster.config import ClusterError
from tests.e2e.platform import mail_server
from tests.e2e.platform.load.audit import ask_database
from tests.e2e.platform.release import Release
from tests.e2e.waiting import wait_until
from tests.integration.api.companies import make_company

VALUES = {
    **mail_server.VALUES,
    "networkPolicy": {
        "mailPorts": [mail_server.PORT],
        "mailEgress": [{"podSelector": {"matchLabels": mail_server.LABELS}}],
    },
}
PAUSE_S, BETWEEN_HURRIES, NAMED_AT_MOST, FEWEST_TRIES = 1.0, 5, 15, 50
"""A mail names at most 20 postings, so that not more are opened between two hurries."""

HURRY = "UPDATE alert_account SET due_at = now(), mailed_at = NULL"
TOLD = re.compile(r"Lamplighter (\d+) ")


@dataclass
class Alerted:
    """`opened` are the numbers of the postings whose opening was answered, `doubtful` those without an answer."""

    release: Release
    person: Person
    company: int
    opened: list[int] = field(default_factory=list)
    doubtful: set[int] = field(default_factory=set)
    unhurried: int = 0

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Open postings until the block ends."""
        done = threading.Event()
        thread = threading.Thread(target=self._open_until, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def assert_each_is_mailed_once(self) -> None:
        """0 missed, 0 doubled."""

        def told() -> Counter[int]:
            with suppress(ClusterError):
                self._hurry()
            texts = mail_server.mails_to(self.person.email, self.release)
            return Counter(int(number) for text in texts for number in TOLD.findall(text))

        assert len(self.opened) >= BETWEEN_HURRIES, (self.opened, self.doubtful)
        found = wait_until(told, lambda seen: seen.keys() >= set(self.opened), "an alert of each posting")
        assert set(found) <= {*self.opened, *self.doubtful}, found
        assert {number: times for number, times in found.items() if times > 1} == {}

    def _open_until(self, done: threading.Event) -> None:
        """An upgrade may be over before there are enough postings for two mails."""
        number = 0
        while not done.wait(PAUSE_S) or (len(self.opened) < BETWEEN_HURRIES and number < FEWEST_TRIES):
            if self.unhurried < NAMED_AT_MOST:
                number += 1
                self._open(number)
            if self.unhurried >= BETWEEN_HURRIES:
                with suppress(ClusterError):
                    self._hurry()

    def _open(self, number: int) -> None:
        offer = {"title": f"Lamplighter {number}", "description": "<p>You light lamps.</p>", "language": "en"}
        self.unhurried += 1
        try:
            answer = self.person.send("POST", f"companies/{self.company}/jobs", json=offer)
        except requests.RequestException:
            self.doubtful.add(number)
        else:
            self.opened += [number] if answer.status_code == 201 else []
            self.doubtful |= {number} if answer.status_code >= 500 else set()

    def _hurry(self) -> None:
        """Let the pause between two mails of an account be over."""
        ask_database(self.release, HURRY)
        self.unhurried = 0


def alerted(release: Release) -> Alerted:
    """A new account with a proven address, a company and a search that alerts at once."""
    person = Api(release.address().url, lambda *_: []).person()
    mails = wait_until(lambda: mail_server.mails_to(person.email, release), bool, "a mail")
    link = re.search(rf"{re.escape(mail_server.PAGES)}/verify\?token=([\w-]+)", mails[0])
    assert link is not None, mails[0]
    assert person.api.post("auth/verify", {"token": link[1]}).status_code == 204
    search = {"name": "Lamps", "query": "q=lamplighter&lang=en", "frequency": "instant"}
    assert person.send("POST", "saved-searches", json=search).status_code == 201
    return Alerted(release, person, make_company(person)["id"])
