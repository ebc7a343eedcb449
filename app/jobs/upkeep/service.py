"""Expiry of postings, counts for plans and comparable salaries: what a worker's ticker does again and again."""

from collections.abc import Sequence
from typing import Protocol

from app.infra.postgres.database import Database, Transaction
from app.jobs import store, writing
from app.jobs.codes.salaries import Rates
from app.jobs.indexing import by_year, rates_needed
from app.jobs.store import Cluster
from app.jobs.upkeep.store import Standing, UpkeepStore, convert, expire, leader_of, list_stale

EXPIRED_AT_ONCE = 200
CONVERTED_AT_ONCE = 200
COUNT_EVERY_S = 60.0


class Published(Protocol):
    """What is used of `Coherence`."""

    def final(self, keys: Sequence[str], xid: str | None, *, security: bool) -> None: ...


class Upkeep:
    """Periodic work; several workers may do it at once, because each skips rows that another one has locked."""

    def __init__(self, database: Database, coherence: Published, rates: Rates) -> None:
        self._database, self._coherence, self._rates = database, coherence, rates
        self._store = UpkeepStore(database)

    def expire(self) -> int:
        """Mark postings that are due as expired; returns how many."""
        total = 0
        while True:
            with self._database.transaction() as transaction:
                flipped, bereaved = expire(transaction, EXPIRED_AT_ONCE)
                for cluster in bereaved:
                    self._settle(transaction, cluster)
                xid, keys = store.keys(transaction)
            if keys:
                self._coherence.final(keys, xid, security=False)
            total += flipped
            if not flipped:
                return total

    def count(self) -> bool:
        """Count again if the last count is older than COUNT_EVERY_S; returns whether it did."""
        due = self._store.claim_counting(COUNT_EVERY_S)
        if due:
            self._store.count()
        return due

    def standing(self) -> Standing:
        """What the metrics show; raises Unavailable."""
        return self._store.standing()

    def convert(self) -> int:
        """Recompute some yearly salaries that depend on older rates than this version's; returns how many.

        One batch, so that other tasks of the ticker need not wait for all of them.
        """
        with self._database.transaction() as transaction:
            stale = list_stale(transaction, self._rates.of, CONVERTED_AT_ONCE)
            fresh = {number: (by_year(pay, self._rates), rates_needed(pay, self._rates)) for number, pay in stale}
            convert(transaction, fresh)
            xid, keys = store.keys(transaction)
        if keys:
            self._coherence.final(keys, xid, security=False)
        return len(stale)

    def _settle(self, transaction: Transaction, cluster: Cluster) -> None:
        """Remove the places of expired members from the posting that the cluster shows."""
        shown = leader_of(transaction, cluster.id)
        if shown is not None:
            leader = store.find_in(transaction, shown)
            writing.settle(transaction, cluster, leader, strayed=False, rates=self._rates)
