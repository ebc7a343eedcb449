"""Matches events with the queries of saved searches, in their order; one worker does it at a time."""

import logging
import threading
from collections.abc import Sequence

from app.alerts.digests.store import mark_due
from app.alerts.matching import store
from app.alerts.matching.anchors import anchors_of
from app.alerts.matching.branches import Branch, branches
from app.alerts.matching.store import MatchingStore, Occasion, Standing, Subject
from app.alerts.queries import parsed
from app.alerts.store import fill
from app.errors import Invalid, Unavailable
from app.events.service import EventLog, Position, Resync
from app.events.store import Event, Place
from app.infra.postgres.database import Transaction
from app.jobs.codes.salaries import Rates
from app.jobs.codes.terms import KIND_BITS
from app.jobs.query.compiled import NAMED, Name, names_in
from app.jobs.query.parameters import read
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.schemas import FIELDS

log = logging.getLogger(__name__)

TICK_S = 0.5
BATCH = 100
"""The most events that are matched, and the most queries that are compiled, in one transaction."""

BRANCHES_AT_ONCE = 5_000
"""A transaction compiles no further query once it has so many branches."""

FORM = 2
"""To be raised when branches or anchors are made in another way, so that all are made anew."""

_NUMBERED = frozenset(NAMED.values())


class Matcher:
    """Call `tick` at short intervals. Each transaction writes matches together with the position behind their events.

    Queries get their branches before events are matched that were committed after them.
    """

    def __init__(self, events: EventLog, matching: MatchingStore, rates: Rates) -> None:
        self._events, self._store, self._rates = events, matching, rates
        self._form = f"{FORM} {rates.of}"
        self._failing, self._most = False, BATCH
        self._stopping = threading.Event()

    def tick(self) -> None:
        """Match until nothing is left, or another worker does it."""
        try:
            more = True
            while more and not self._stopping.is_set():
                more = self.step()
                self._failing, self._most = False, min(2 * self._most, BATCH)
        except Unavailable as error:
            if not self._failing:
                log.warning("matching of saved searches waits: %s", error)
            self._failing, self._most = True, max(self._most // 2, 1)  # it may have been too much for the time limit

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def step(self) -> bool:
        """Match some events, and make the branches of some queries; returns whether there may be more to do."""
        standing = self._store.standing(self._form)
        try:
            events, after = self._events.read(Position(standing.log, standing.place), min(self._most, BATCH))
        except Resync:
            oldest = self._events.oldest()
            with self._store.transaction() as transaction:
                if store.claim(transaction, standing):
                    store.move(transaction, oldest.era, oldest.place, 0)
            return True
        if not events and not standing.uncompiled:
            return False
        return self._deal(standing, events, after)

    def _deal(self, standing: Standing, events: Sequence[Event], after: Position) -> bool:
        occasions, numbers, place, posting = self._occasions(standing, events, after)
        with self._store.transaction() as transaction:
            if not store.claim(transaction, standing):
                return False
            fill(transaction)
            store.note_numbers(transaction, numbers)
            more = self._compile(transaction)
            if not store.new_left(transaction):
                matched = store.match(transaction, occasions)
                store.move(transaction, after.era, place, posting)
                if matched:
                    mark_due(transaction, matched)
        return more or bool(events)

    def _occasions(
        self, standing: Standing, events: Sequence[Event], after: Position
    ) -> tuple[list[Occasion], list[int], Place, int]:
        """What to match, terms with a number of the dictionary, and the position behind it; a company comes alone."""
        for number, event in enumerate(events):
            if event.kind == "company_changed" and event.payload.get("verified"):
                if number == 0:
                    return self._of_company(standing, event)
                events, after = events[:number], Position(after.era, events[number - 1].place)
                break
        told = [event for event in events if event.kind in ("opened", "changed")]
        shown = {each.asked_id: each for each in self._store.shown([event.ref for event in told])}
        several = list(shown.values())
        anchors = {each.id: anchors_of(each.terms, each.lexemes) for each in several}
        occasions = [
            Occasion(found.id, anchors[found.id], event, event.payload.get("before"))
            for event in told
            if (found := shown.get(event.ref)) is not None
        ]
        return occasions, _numbers(several), after.place, 0

    def _of_company(self, standing: Standing, event: Event) -> tuple[list[Occasion], list[int], Place, int]:
        """Some postings of a company that has become verified."""
        most = min(self._most, BATCH)
        found = self._store.of_company(event.ref, standing.posting, most)
        occasions = [
            Occasion(each.id, anchors_of(each.terms, each.lexemes), event, became_verified=True) for each in found
        ]
        done = len(found) < most
        return occasions, _numbers(found), event.place if done else standing.place, 0 if done else found[-1].id

    def _compile(self, transaction: Transaction) -> bool:
        """Make the branches of some queries; returns whether there may be more."""
        waiting = store.uncompiled(transaction, self._form, self._most)
        searcher = Searcher(QueryStore(transaction), self._rates)  # the pool may have no other connection
        found: dict[int, list[Branch]] = {}
        names: dict[int, list[Name]] = {}
        for number, query in waiting:
            found[number], names[number] = _branches(searcher, query)
            if sum(map(len, found.values())) >= BRANCHES_AT_ONCE:
                break
        if found:
            store.replace_branches(transaction, self._form, found, names)
        return len(found) < len(waiting) or len(waiting) == self._most


def _branches(searcher: Searcher, query: str) -> tuple[list[Branch], list[Name]]:
    """The branches, and the names that they depend on; none for a query that is no longer valid."""
    try:
        wanted = read(parsed(query), "en", FIELDS)
        prepared = searcher.prepare(wanted)
    except Invalid as refused:
        log.warning("a saved search is no longer valid: %s", refused)
        return [], []
    return branches(prepared.query, prepared.counts), names_in(wanted)


def _numbers(found: Sequence[Subject]) -> list[int]:
    return sorted({number for each in found for number in each.terms if number >> KIND_BITS in _NUMBERED})
