"""A board whose postings and searches change at random, with the history of what was done."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from app.alerts.schemas import Frequency
from app.alerts.store import SavedSearchStore, insert
from app.infra.postgres.database import Database
from app.jobs.schemas import Place
from tests.integration.alerts.ledger.rules import Alerting, Query, State
from tests.integration.alerts.test_matching import BERLIN, PARIS, Alerts

WORDS, IN_TITLE = 40, 6
COMPANY = 1
"""The one of all postings; it is not verified at first."""

CITIES: dict[str, Place] = {"Berlin": BERLIN, "Paris": PARIS}
FREQUENCIES: tuple[Frequency, ...] = ("instant", "instant", "daily", "weekly")
ACCOUNT = "INSERT INTO users (email, name, password_hash) VALUES (%s, 'Ada', '') RETURNING id"


@dataclass(slots=True)
class Cluster:
    """Near-duplicates: the city and whether it is open, by posting; only what was never folded is edited."""

    words: frozenset[str]
    postings: dict[int, tuple[str, bool]]
    edited: bool = False


@dataclass(slots=True)
class History:
    """What was done, as the rules judge it."""

    step: int = 0
    times: dict[int, tuple[float, float]] = field(default_factory=dict)
    clusters: dict[int, list[State]] = field(default_factory=dict)
    searches: dict[int, Alerting] = field(default_factory=dict)


class Board:
    """Each change is committed before the next one begins."""

    def __init__(self, database: Database, seed: int) -> None:
        self.chance = random.Random(seed)
        self.alerts, self.database = Alerts(database), database
        self.history = History()
        self._store = SavedSearchStore(database)
        self._clusters: dict[int, Cluster] = {}
        self._trusted = False
        self.alerts.verify(COMPANY, False)

    def people(self, many: int) -> list[int]:
        rows = [self.database.one(f"/* */ {ACCOUNT}", f"p{number}@ledger.example") for number in range(many)]
        return [int(row[0]) for row in rows if row is not None]

    @contextmanager
    def _step(self) -> Iterator[None]:
        self.history.step += 1
        began = time.time()
        yield
        self.history.times[self.history.step] = (began, time.time())

    def save(self, account: int) -> None:
        """Save a search that alerts."""
        with self._step():
            self._save(account)

    def open(self) -> None:
        """Open a posting, sometimes a near-duplicate of another one."""
        with self._step():
            self._open()

    def change(self) -> None:
        """Edit, close or reopen a posting, or change a search."""
        with self._step():
            self._change()

    def verify(self) -> None:
        """Let the company of all postings become verified."""
        with self._step():
            self._trusted = True
            self.alerts.verify(COMPANY, True)
            for number in self._clusters:
                self._note(number, opening=False)

    def _save(self, account: int) -> None:
        query = self._query()
        with self.database.transaction() as transaction:
            found = insert(transaction, account, "Mine", _text(query), self.chance.choice(FREQUENCIES))
        self.history.searches[found.id] = Alerting(account, [(self.history.step, query)])

    def _open(self) -> None:
        alike = [number for number, each in self._clusters.items() if not each.edited and len(each.postings) == 1]
        city = self.chance.choice(list(CITIES))
        twin = self.chance.choice(alike) if alike and self.chance.random() < 0.2 else None
        words = self._clusters[twin].words if twin is not None else self._words()
        posting = self.alerts.offer(" ".join(sorted(words)), places=(CITIES[city],))
        number = self.alerts.cluster(posting)
        cluster = self._clusters.setdefault(number, Cluster(words, {}))
        cluster.postings[posting] = (city, True)
        self._note(number, opening=True)

    def _change(self) -> None:
        kind = self.chance.choice(("edit", "edit", "close", "close", "reopen", "reopen", "search", "switch"))
        if kind in ("search", "switch"):
            self._change_search(switch=kind == "switch")
            return
        number = self.chance.choice(list(self._clusters))
        cluster = self._clusters[number]
        posting = self.chance.choice(list(cluster.postings))
        city, opened = cluster.postings[posting]
        if kind == "edit" and opened and len(cluster.postings) == 1:
            cluster.words, cluster.edited = self._words(), True
            self.alerts.change(posting, title=" ".join(sorted(cluster.words)))
        elif kind in ("close", "reopen") and opened == (kind == "close"):
            self.alerts.change(posting, state="closed" if opened else "open")
            cluster.postings[posting] = (city, not opened)
        else:
            return
        self._note(number, opening=kind == "reopen")

    def _change_search(self, *, switch: bool) -> None:
        number = self.chance.choice(list(self.history.searches))
        search = self.history.searches[number]
        now = search.epochs[-1][1]
        if switch:
            before = next(query for _, query in reversed(search.epochs) if query is not None)
            after = before if now is None else None
            frequency: Frequency = "off" if after is None else self.chance.choice(FREQUENCIES)
            changed = self._store.change(search.account, number, {"frequency": frequency}, None)
        else:
            if now is None:
                return
            after = self._query()
            if after == now:
                return
            changed = self._store.change(search.account, number, {"query": _text(after)}, None)
        assert changed is not None
        search.epochs.append((self.history.step, after))

    def _note(self, number: int, *, opening: bool) -> None:
        cluster = self._clusters[number]
        cities = frozenset(city for city, opened in cluster.postings.values() if opened)
        state = State(self.history.step, opening, cluster.words, cities, self._trusted)
        self.history.clusters.setdefault(number, []).append(state)

    def _words(self) -> frozenset[str]:
        return frozenset(self.chance.sample([f"tok{number}" for number in range(WORDS)], IN_TITLE))

    def _query(self) -> Query:
        query = Query(f"tok{self.chance.randrange(WORDS)}")
        query = replace(query, verified=self.chance.random() < 0.2)
        return replace(query, city=self.chance.choice(list(CITIES))) if self.chance.random() < 0.3 else query


def _text(query: Query) -> str:
    city, verified = f"&city={query.city}" if query.city else "", "&verified=true" if query.verified else ""
    return f"q={query.word}&lang=en{city}{verified}"
