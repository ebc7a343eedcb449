"""Makes writes final: publish the change, wait for all leases to end, then respond.

A write commits together with its outbox rows, takes a number for each of its keys and enters them, all keys in one
exchange for each step, and waits LEASE_MAX_MS plus slack after the last acknowledgement. A request that begins after
the answer relies on a look that started less than LEASE_MAX_MS before the request, that is after the acknowledgement.
That look has found

- the entries, which the history names from then on, so that what was read before the commit is unusable;
- or a gap, another era or a jump: a new history, in which positions from before that look's number are unusable.
  The numbers were taken after the commit, so that facts of greater positions were read after the commit.

While the log is being changed there is none to publish on, and no lease. A write waits all the same: a realtime process
sends for LEASE_MAX_MS after it has found a session live in PostgreSQL (`app/realtime/leash.py`).

Before the answer the statement that deletes the outbox row also says whether the database is still used with the log on
which the change was published (`agreement.py`). Where it is not, the row stays, for others to publish.

Only durations are measured, each on one machine. It is assumed that no clock's rate differs from real time by more than
CLOCK_RATE_ERROR; the slack makes the wait by a fast clock as long as a lease by a slow one.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, Protocol, TypeVar

from app.coherence.clock import MS_IN_NS, S_IN_NS, Clock
from app.coherence.log.agreement import Agreement, Terms
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.lease import LEASE_MAX_MS
from app.errors import NotFinal, Unavailable, WrongLog
from app.infra.memcache.client import CacheUnavailable
from app.infra.metrics.counters import Counters
from app.infra.postgres.replica import Place

CLOCK_RATE_ERROR = 0.09  # chrony's largest slew is 1/12 (maxslewrate in chrony.conf(5)); a crystal adds some 0.01 %
MARGIN_MS = 1
SLACK_MS = LEASE_MAX_MS * ((1 + CLOCK_RATE_ERROR) / (1 - CLOCK_RATE_ERROR) - 1) + MARGIN_MS
PATIENCE_S = 8
PAUSES_S = (0.005, 0.01, 0.02, 0.05, 0.1)
LEFT_OVER_S = 1.0
DRAIN_EVERY_S = 2.0
BATCH = 10_000
NAMED_MAX = 100
"""More keys are published as a change of everything."""


P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


class LeftOvers(Protocol):
    """The methods of `store.Outbox` that are used here; each may raise `Unavailable`."""

    def older_than(self, seconds: float, limit: int, counter: str) -> list[tuple[int, str]]: ...
    def delete(self, ids: Sequence[int], counter: str) -> bool: ...
    def delete_of(self, xid: str | None, counter: str) -> bool: ...


def no_place() -> None:
    """Without replicas nobody needs the place of a change in the WAL."""


class Publisher:
    """Writes of this worker, and outbox rows left over by writers that died or publish nothing, as SQL by hand does.

    What is left over is final within LEFT_OVER_S, DRAIN_EVERY_S and a publication after its commit: 5 s at most.

    With replicas, `place` asks the primary for its present place in the WAL; what it cannot tell is published without.
    """

    place: Callable[[], Place | None] = staticmethod(no_place)

    def __init__(
        self, agreement: Agreement, outbox: LeftOvers, clock: Clock, counters: Counters
    ) -> None:  # fmt: skip
        self._agreement, self._outbox, self._clock, self._counters = agreement, outbox, clock, counters

    def final(self, keys: Iterable[str], xid: str | None, *, security: bool) -> None:
        """Return when the committed change of `keys` by the transaction `xid` is final, at most about 8 s later.

        Raises NotFinal for a `security` write, or one of what searches show, that could not be published; another one
        is published later, before any worker that has been without the log gets a lease again. Raises NotFinal for
        every write whose log is not, or no longer, the one of the database.
        """
        now_ns = self._clock.now_ns()
        deadline_ns = now_ns + PATIENCE_S * S_IN_NS
        confirm_by_ns = deadline_ns if security else now_ns
        keys = list(dict.fromkeys(keys))
        try:
            terms = self._until(confirm_by_ns, self._agreement.require)
            while not self._told(terms, keys, xid, deadline_ns, confirm_by_ns):
                terms = self._until(confirm_by_ns, self._agreement.ask)
        except CacheUnavailable as error:
            self._counters.add("changes_unpublished")
            if security:
                raise NotFinal("the change is stored, but not every worker can be notified of it now") from error
        except WrongLog as error:
            raise NotFinal("the change is stored, but this process cannot notify the other workers") from error
        except Unavailable as error:
            if security:
                raise NotFinal("the change is stored, but the database did not confirm that it is final") from error
            log.info("outbox rows left to be drained", extra={"reason": error.detail})

    def settle(self) -> None:
        """Publish what has been left over. Raises CacheUnavailable, without asking PostgreSQL, or Unavailable."""
        terms = self._agreement.require()
        if terms.log is not None:
            terms.log.last()
            self._publish(self._outbox.older_than(LEFT_OVER_S, BATCH, terms.counter), terms.log)

    def drain(self) -> int:
        """Make left-over rows final and delete them, returns how many. Raises CacheUnavailable or Unavailable."""
        terms, drained = self._agreement.require(), 0
        while rows := self._outbox.older_than(LEFT_OVER_S, BATCH, terms.counter):
            if terms.log is not None:
                self._publish(rows, terms.log)
                self._wait()
            if not self._outbox.delete([row_id for row_id, _ in rows], terms.counter):
                break
            drained += len(rows)
        if drained:
            self._counters.add("outbox_drained", drained)
        return drained

    def _told(
        self, terms: Terms, keys: Sequence[str], xid: str | None, deadline_ns: float, confirm_by_ns: float
    ) -> bool:  # fmt: skip
        """Publish under `terms` and wait; False when the database has changed to another log meanwhile.

        Deleting the rows again is harmless, so a connection that was lost or not free in time fails no write.
        """
        if terms.log is not None:
            self._insist(keys, terms.log, deadline_ns)
        if terms.log is not None or terms.changing:
            self._wait()
        return self._until(confirm_by_ns, self._outbox.delete_of, xid, terms.counter)

    def _publish(self, rows: Sequence[tuple[int, str]], change_log: ChangeLog) -> None:
        """Publish the rows' keys. No lock is needed: publishing a change twice is harmless."""
        keys = list(dict.fromkeys(key for _, key in rows))
        if len(keys) > NAMED_MAX:
            change_log.forget_everything()
        elif keys:
            place = self._place()
            change_log.enter(change_log.take(len(keys)), keys, place)

    def _insist(self, keys: Sequence[str], change_log: ChangeLog, deadline_ns: float) -> None:
        """Publish `keys`, each of the two steps tried until the deadline. Raises CacheUnavailable."""
        if len(keys) > NAMED_MAX:
            self._until(deadline_ns, change_log.forget_everything)
        elif keys:
            place = self._place()
            first = self._until(deadline_ns, change_log.take, len(keys))
            self._until(deadline_ns, change_log.enter, first, keys, place)
        self._counters.add("changes_published", len(keys))

    def _place(self) -> Place | None:
        """A place behind the commit of what is published; asked for before a number is taken, so that no gap waits."""
        try:
            return self.place()
        except Unavailable:
            return None

    def _until(self, deadline_ns: float, step: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """Retry `step` until it succeeds. Raises CacheUnavailable or Unavailable if it still fails at the deadline.

        WrongLog is raised at once: other processes must act before a retry can succeed.
        """
        failures = 0
        while True:
            try:
                return step(*args, **named)
            except WrongLog:
                raise
            except (CacheUnavailable, Unavailable):
                if self._clock.now_ns() >= deadline_ns:
                    raise
            self._clock.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    def _wait(self) -> None:
        """Wait until every lease whose look started before now has ended."""
        until_ns = self._clock.now_ns() + int((LEASE_MAX_MS + SLACK_MS) * MS_IN_NS)
        while (left_ns := until_ns - self._clock.now_ns()) > 0:
            self._clock.sleep(left_ns / S_IN_NS)
