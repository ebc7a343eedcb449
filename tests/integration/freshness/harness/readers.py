"""Clients that walk through searches page by page, and read postings by their ids."""

import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.integration.freshness.harness.clients import Client
from tests.integration.freshness.harness.offers import Content
from tests.integration.freshness.harness.queries import Query, company_query, queries
from tests.integration.freshness.harness.record import Look, Page, Record, Walk
from tests.pods.connections import ATTEMPTS, Answer, Connection, Connections, Request

PAGES_MOST = 60
REPEATED_NS = 500_000_000
PROBED = 3


class Reader(Client):
    """Makes one walk or look at a time."""

    def __init__(self, record: Record, connections: Connections, seed: int) -> None:
        super().__init__(record, connections, seed)
        self._queries = queries()
        self._known: dict[str, tuple[str, Page]] = {}

    def read(self) -> None:
        chance = self._random.random()
        if chance < 0.06:
            self.look()
        elif chance < 0.12:
            self.look_at_several()
        else:
            query = self._query(repeated=chance < 0.6)
            self.walk(query, 20 if query == Query() else 3)

    def walk(self, query: Query, limit: int, connection: Connection | None = None) -> bool:
        """All pages of a search, each from a random worker unless one is given; returns whether it got to the end."""
        walk = self._walked(query, limit, connection)
        if walk is not None:
            self._record.walks.append(walk)
        return walk is not None

    def _walked(self, query: Query, limit: int, connection: Connection | None) -> Walk | None:
        pages: list[Page] = []
        cursor, total = "", self._random.random() < 0.1
        while len(pages) < PAGES_MOST:
            found = self._page(query.path(limit, total and not pages, cursor), connection)
            if found is None:
                return None
            page, cursor = found
            pages.append(page)
            if not cursor:
                return Walk(query, tuple(pages))
        self._record.strange.append(f"{query} goes on after {PAGES_MOST} pages of {limit}")
        return None

    def look(self) -> None:
        """One posting, open or not."""
        if numbers := self._numbers(1):
            answer = self.send("read", Request("GET", f"/api/v1/jobs/{numbers[0]}"))
            if answer.status == 200:
                self._record.looks.append(Look(_page(answer, [answer.body]), ()))
            elif answer.status in (404, 410):
                self._record.looks.append(Look(_page(answer, []), (numbers[0],)))

    def look_at_several(self) -> None:
        if numbers := self._numbers(5):
            answer = self.send("batch", Request("GET", f"/api/v1/jobs/batch?ids={','.join(map(str, numbers))}"))
            if answer.status == 200:
                self._record.looks.append(Look(_page(answer, answer.body["jobs"]), tuple(answer.body["missing"])))

    def _query(self, *, repeated: bool) -> Query:
        """A random search, or the one that all readers repeat for a while, so that kept results are used."""
        turn = time.monotonic_ns() // REPEATED_NS if repeated else self._random.getrandbits(32)
        chance = random.Random(turn)
        firm = chance.choice([each for each in self._record.firms if not each.closed])
        return chance.choice((*self._queries, *(company_query(firm.id, chance) for _ in range(8))))

    def _numbers(self, most: int) -> list[int]:
        """Ids of postings that were written lately."""
        newest = list(self._record.offers.values())[-300:]
        ids = [offer.id for offer in newest if offer.id and not offer.draft]
        return self._random.sample(ids, min(most, len(ids)))

    def _page(self, path: str, connection: Connection | None) -> tuple[Page, str] | None:
        """A page and the cursor of the next one; None where it stays without an answer."""
        for _ in range(ATTEMPTS):
            tag, known = self._known.get(path, ("", None))
            headers = (("If-None-Match", tag),) if tag else ()
            answer = self.send("search", Request("GET", path, headers=headers), connection)
            if answer.status == 304 and known is not None:
                return known.again(answer), known.cursor
            if answer.status == 200:
                page = _page(answer, answer.body["items"], answer.body)
                if "cursor=" not in path and self._random.random() < 0.3:
                    self._known[path] = (answer.headers["etag"], page)
                return page, page.cursor
            if answer.status not in (0, 503):
                self._record.strange.append(f"GET {path} was answered {answer.status} {answer.body}")
                return None
            if connection is not None and connection.broken:
                return None
        return None


class Prober(Reader):
    """Asks every worker for a search just before and just after a write by which a posting comes to match it or ceases.

    Without other writes in between, a result that was kept from before can only be known to be old by its own keys.
    """

    @contextmanager
    def around(self, company: int, before: Content | None, after: Content | None) -> Iterator[None]:
        """The block is the write."""

        def fits(query: Query, content: Content | None) -> bool:
            return content is not None and query.matches(content, company)

        changed = [query for query in self._queries if fits(query, before) != fits(query, after)]
        queries = self._random.sample(changed, min(PROBED, len(changed)))
        self._ask(queries)
        yield
        self._ask(queries)

    def _ask(self, queries: Sequence[Query]) -> None:
        for query, connection in itertools.product(queries, self._connections.all()):
            if (walk := self._walked(query, 100, connection)) is not None:
                self._record.probes.append(walk)


def _page(answer: Answer, items: list[Mapping[str, Any]], body: Mapping[str, Any] | None = None) -> Page:
    total = body and body.get("total")
    return Page(
        answer.start,
        answer.end,
        tuple(items),
        (body or {}).get("next") or "",
        total["value"] if total else None,
        answer.worker,
    )
