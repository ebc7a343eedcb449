"""Makes digests: one transaction walks the searches of an account that is due, and writes what is to be mailed."""

import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.alerts.digests import store
from app.alerts.digests.content import Content, Part
from app.alerts.digests.duties import SEND
from app.alerts.digests.schedule import GLANCE, PAUSE, next_due
from app.alerts.digests.store import Candidate, DigestStore, Due, Search
from app.alerts.queries import parsed
from app.errors import Invalid, Unavailable
from app.events.streams.store import write
from app.infra.postgres.database import Transaction
from app.jobs.codes.salaries import Rates
from app.jobs.query.parameters import read
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.schemas import FIELDS
from app.tasks.queue import enqueue

log = logging.getLogger(__name__)

TICK_S = 0.5
CONSIDERED = 500
"""Matches of one search that one digest deals with at most."""

TOLD = 20
"""Postings of one search that a mail, and the event beside it, name; the others are counted."""

AGAIN_SOON, UNREACHED = timedelta(seconds=2), timedelta(days=1)


class DigestMaker:
    """Call `tick` at short intervals; any number of workers may do so. An account is served by one at a time.

    Accounts are served in the order in which they became due, and one that was served is due again after the others.
    """

    def __init__(self, digests: DigestStore, rates: Rates) -> None:
        self._store, self._rates = digests, rates
        self._failing = False
        self._stopping = threading.Event()

    def tick(self) -> None:
        """Serve accounts until none is due."""
        try:
            while not self._stopping.is_set() and self.step():
                self._failing = False
        except Unavailable as error:
            if not self._failing:
                log.warning("digests of saved searches wait: %s", error)
            self._failing = True

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def step(self) -> bool:
        """Serve one account; False if none is due, or others serve them."""
        with self._store.transaction() as transaction:
            due = store.claim(transaction)
            if due is not None:
                self._serve(transaction, due)
        return due is not None

    def _serve(self, transaction: Transaction, due: Due) -> None:
        if not due.reached:
            store.schedule_account(transaction, due.user_id, due.now + UNREACHED, mailed=False)
            return
        searches, complete = store.lock_searches(transaction, due.user_id)
        pausing_until = due.now if due.mailed_at is None else due.mailed_at + PAUSE
        served = [each for each in searches if _is_due(each, due.now)] if pausing_until <= due.now else []
        left, mailed = self._digest(transaction, due, served)
        waits = {each.id for each in searches if _is_due(each, due.now)} - {each.id for each in served} | left
        times = {
            each.id: next_due(each.frequency, due.now, due.zone, due.hour)  # type: ignore[arg-type]
            for each in searches
            if each.frequency != "instant" and each.id not in waits
        }
        store.schedule(transaction, times)
        soonest = list(times.values())
        soonest += [due.now + GLANCE] if any(each.frequency == "instant" for each in searches) else []
        soonest += [max(pausing_until, due.now + PAUSE if mailed else due.now)] if waits else []
        soonest += [] if complete else [due.now + AGAIN_SOON]
        store.schedule_account(transaction, due.user_id, min(soonest, default=None), mailed=mailed)

    def _digest(self, transaction: Transaction, due: Due, served: Sequence[Search]) -> tuple[set[int], bool]:
        """Write the digest of these searches, if there is one; returns the searches that have more matches."""
        found: dict[int, list[Candidate]] = defaultdict(list)
        for each in store.candidates(transaction, [search.id for search in served], CONSIDERED) if served else []:
            found[each.search_id].append(each)
        searcher = Searcher(QueryStore(transaction), self._rates)
        shown = {
            search.id: holding
            for search in served
            if search.id in found
            and (holding := _holding(searcher, search, [each.cluster_id for each in found[search.id]]))
        }
        store.serve(transaction, [several[-1] for several in found.values()])
        if shown:
            self._write(transaction, due, [search for search in served if search.id in shown], shown)
        return {number for number, several in found.items() if len(several) == CONSIDERED}, bool(shown)

    def _write(
        self, transaction: Transaction, due: Due, searches: Sequence[Search], shown: dict[int, dict[int, int]]
    ) -> None:
        told = {number: list(holding.values())[:TOLD] for number, holding in shown.items()}
        items = store.items(transaction, sorted({job for jobs in told.values() for job in jobs}))
        parts = [
            Part(each.id, each.name, len(shown[each.id]), [items[job] for job in told[each.id] if job in items])
            for each in searches
        ]
        sent = [(number, cluster) for number, holding in shown.items() for cluster in holding]
        digest_id = store.insert(transaction, due.user_id, Content(due.language, parts), sent)
        enqueue(transaction, SEND, {"digest": digest_id}, unique_key=str(digest_id))
        for each in searches:
            said = {"saved_search_id": each.id, "matches": len(shown[each.id]), "job_ids": told[each.id]}
            write(transaction, [due.user_id], "alerts.matched", said)


def _is_due(search: Search, now: datetime) -> bool:
    return search.frequency == "instant" or (search.due_at is not None and search.due_at <= now)


def _holding(searcher: Searcher, search: Search, clusters: Sequence[int]) -> dict[int, int]:
    """The posting that is shown and that the search finds now, for each cluster that has one; in the given order."""
    try:
        found = searcher.holding(read(parsed(search.query), "en", FIELDS), clusters)
    except Invalid as refused:
        log.warning("a saved search is no longer valid: %s", refused)
        return {}
    return {cluster: found[cluster] for cluster in clusters if cluster in found}
