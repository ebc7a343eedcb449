"""The mixed load: what each of some threads of clients asks, at fixed times."""

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.bed import ME
from loadtest.peers.graphql import JOB_PAGE, PROFILE
from loadtest.soak.people import Client, Person
from loadtest.soak.record import Kind, Record, Unexpected

CLIENTS, PEOPLE_EACH = 12, 8
PROFILES, BATCH, SAVED_MOST = 500, 100, 5
GONE, OK, CONFLICT, LIMITED = 410, 200, 409, 429
OWN, PUBLIC, MANY = Kind("own profile", "reads"), Kind("public profile", "reads"), Kind("batch of 100", "reads")
PAGE, CHANGES = Kind("job page", "reads"), Kind("changes", "reads")
SESSIONS, EXPORT = Kind("own sessions", "reads"), Kind("export", "searches")
SEARCH, SUGGEST, SIMILAR = Kind("search", "searches"), Kind("suggestions", "searches"), Kind("similar", "searches")
GRAPHQL = Kind("GraphQL", "searches")
CHANGE, SAVE, UNSAVE = Kind("change of profile", "writes"), Kind("save a search", "writes"), Kind("delete it", "writes")
APPLY, SAVED = Kind("apply", "writes"), Kind("saved searches", "reads")


class Offers:
    """What can be asked for: searches, pages of postings, and postings that take applications just now."""

    def __init__(self, searches: Sequence[str], pages: Sequence[str]) -> None:
        self.searches, self.pages = searches, pages
        self.newest: str | None = None
        """The path of a posting."""


class Visitor:
    """One thread's client, with its people and its own random choices."""

    def __init__(self, client: Client, people: Sequence[Person], offers: Offers, seed: int) -> None:
        self.client, self._people, self._offers = client, people, offers
        self._chance = random.Random(seed)
        self._works: dict[Callable[[], object], float] = {
            self._own: 24, self._public: 12, self._batch: 3, self._page: 22, self._changes: 2, self._sessions: 1,
            self._search: 20, self._suggest: 4, self._similar: 2, self._graphql: 6, self._export: 0.3, self._dead: 1,
            self._change: 2, self._searches_saved: 1, self._apply: 1, self._log_out: 0.7,
        }  # fmt: skip

    def act(self, due: float) -> None:
        """Do one thing, which was due at this time of `time.perf_counter`."""
        work = self._chance.choices(list(self._works), list(self._works.values()))[0]
        self.client.due = due
        try:
            work()
        except (Unexpected, OSError) as error:
            self.client.record.failed(Kind(work.__name__.strip("_").replace("_", " "), "failed"), str(error))
            self.client.fresh()

    def arrive(self) -> None:
        """Log everybody in."""
        for each in self._people:
            each.token(self.client)

    def _token(self) -> str:
        return self._chance.choice(self._people).token(self.client)

    def _own(self) -> None:
        self.client.ask(OWN, "GET", ME, self._token())

    def _public(self) -> None:
        self.client.ask(PUBLIC, "GET", f"/api/v1/users/{self._chance.randint(1, PROFILES)}", self._token())

    def _batch(self) -> None:
        ids = ",".join(map(str, self._chance.sample(range(1, PROFILES + 1), BATCH)))
        self.client.ask(MANY, "GET", f"/api/v1/users/batch?ids={ids}", self._token())

    def _page(self) -> None:
        self.client.ask(PAGE, "GET", self._chance.choice(self._offers.pages), refusals=(GONE,))

    def _changes(self) -> None:
        self.client.ask(CHANGES, "GET", "/api/v1/changes?limit=50")

    def _sessions(self) -> None:
        self.client.ask(SESSIONS, "GET", "/api/v1/auth/sessions", self._token())

    def _search(self) -> None:
        facets = self._chance.choice(("", "", "", "&facets=workplace,seniority&total=true"))
        self.client.ask(SEARCH, "GET", self._chance.choice(self._offers.searches) + facets)

    def _suggest(self) -> None:
        start = self._chance.choice(("nu", "eng", "ber", "dat", "man", "soft"))
        self.client.ask(SUGGEST, "GET", f"/api/v1/jobs/suggest?q={start}")

    def _similar(self) -> None:
        self.client.ask(SIMILAR, "GET", self._chance.choice(self._offers.pages) + "/similar", refusals=(GONE,))

    def _graphql(self) -> None:
        page = self._chance.choice(self._offers.pages).rpartition("/")[2]
        asked = self._chance.choice(({"query": PROFILE}, {"query": JOB_PAGE, "variables": {"id": page}}))
        self.client.ask(GRAPHQL, "POST", "/graphql", self._token(), asked)

    def _export(self) -> None:
        self.client.ask(EXPORT, "GET", "/api/v1/users/me/export", self._token())

    def _dead(self) -> None:
        self.client.check_dead(self._chance)

    def _change(self) -> None:
        self.client.ask(CHANGE, "PATCH", ME, self._token(), {"headline": f"Engineer {self._chance.random()}"})

    def _searches_saved(self) -> None:
        token = self._token()
        found = self.client.ask(SAVED, "GET", "/api/v1/saved-searches", token).json()["saved_searches"]
        if len(found) >= SAVED_MOST:
            self.client.ask(UNSAVE, "DELETE", f"/api/v1/saved-searches/{found[0]['id']}", token, wanted=204)
        query = self._chance.choice(self._offers.searches).partition("?")[2].partition("&")[2]
        body = {"name": "Mine", "query": query, "frequency": self._chance.choice(("off", "daily", "weekly"))}
        self.client.ask(SAVE, "POST", "/api/v1/saved-searches", token, body, wanted=201)

    def _apply(self) -> None:
        """Twice with the same key, as after a lost answer; the posting may have been closed meanwhile.

        Somebody who has applied 100 times within a day is refused, as happens after an hour and a half.
        """
        if self._offers.newest is None:
            return
        token, key = self._token(), (f"Idempotency-Key: {uuid.UUID(int=self._chance.getrandbits(128))}",)
        path = f"{self._offers.newest}/applications"
        for _ in range(2):
            self.client.ask(
                APPLY, "POST", path, token, {}, wanted=201, refusals=(OK, CONFLICT, GONE, LIMITED), headers=key
            )

    def _log_out(self) -> None:
        self._chance.choice(self._people).log_out(self.client)


@dataclass(frozen=True, slots=True)
class Mix:
    """`rate` things a second, done by CLIENTS threads."""

    visitors: Sequence[Visitor]
    rate: float

    def run(self, over: threading.Event) -> list[threading.Thread]:
        """Start the threads; they end when `over` is set."""
        numbers, lock, began = itertools.count(), threading.Lock(), time.perf_counter()

        def drive(visitor: Visitor) -> None:
            while not over.is_set():
                with lock:
                    due = began + next(numbers) / self.rate
                if over.wait(max(0.0, due - time.perf_counter())):
                    return
                visitor.act(due)

        threads = [threading.Thread(target=drive, args=(each,)) for each in self.visitors]
        for thread in threads:
            thread.start()
        return threads


def visitors(port: int, record: Record, offers: Offers, token_s: float) -> list[Visitor]:
    """Everybody is logged in; raises Unexpected or OSError."""
    found = []
    for number in range(CLIENTS):
        people = [Person(number * PEOPLE_EACH + each + 1, token_s) for each in range(PEOPLE_EACH)]
        found.append(Visitor(Client(port, record), people, offers, number))
        found[-1].arrive()
    return found
