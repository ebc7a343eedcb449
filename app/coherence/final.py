"""Making writes final: published, waited for, and only then answered.

A write commits together with its outbox rows, takes a number and enters its key under it, and waits LEASE_MAX_MS plus
slack after the last acknowledgement. A request that begins after the answer relies on a look that started less than
LEASE_MAX_MS before the request, that is after the acknowledgement. That look has found

- the entry, which the history names from then on, so that what was read before the commit is unusable;
- or a gap, another era or a jump: a new history, in which positions from before that look's number are unusable.
  The number was taken after the commit, so that facts of greater positions were read after the commit.

Nothing but durations are compared, and only on one machine each: no clock may run faster or slower than real time by
more than CLOCK_RATE_ERROR. The wait by a fast clock then is as long as a lease by a slow one.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, Protocol, TypeVar

from app.coherence.clock import MS_IN_NS, S_IN_NS, Clock
from app.coherence.lease import LEASE_MAX_MS
from app.coherence.log import ChangeLog
from app.errors import NotFinal, Unavailable
from app.infra.counters import Counters
from app.infra.memcache import CacheUnavailable

CLOCK_RATE_ERROR = 0.09  # chrony's largest slew is 1/12 (maxslewrate in chrony.conf(5)); a crystal adds some 0.01 %
MARGIN_MS = 1
SLACK_MS = LEASE_MAX_MS * ((1 + CLOCK_RATE_ERROR) / (1 - CLOCK_RATE_ERROR) - 1) + MARGIN_MS
PATIENCE_S = 8
PAUSES_S = (0.005, 0.01, 0.02, 0.05, 0.1)
LEFT_OVER_S = 1.0
DRAIN_EVERY_S = 2.0
BATCH = 10_000
ONE_BY_ONE = 100

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


class LeftOvers(Protocol):
    """What is used of `store.Outbox`; each raises `Unavailable`."""

    def older_than(self, seconds: float, limit: int) -> list[tuple[int, str]]: ...
    def delete(self, ids: Sequence[int]) -> None: ...
    def delete_of(self, xid: str) -> None: ...


class Publisher:
    """Writes of this worker, and outbox rows left over by writers that died or publish nothing, as SQL by hand does.

    What is left over is final within LEFT_OVER_S, DRAIN_EVERY_S and a publication after its commit: 5 s at most.
    """

    def __init__(self, change_log: ChangeLog | None, outbox: LeftOvers, clock: Clock, counters: Counters) -> None:
        self._log, self._outbox, self._clock, self._counters = change_log, outbox, clock, counters

    def final(self, keys: Iterable[str], xid: str | None, *, security: bool) -> None:
        """Return when the committed change of `keys` by the transaction `xid` is final, at most about 8 s later.

        Raises NotFinal for a `security` write that could not be published; another one is published later, before any
        worker that has been without the log gets a lease again.
        """
        deadline_ns = self._clock.now_ns() + PATIENCE_S * S_IN_NS
        try:
            for key in keys:
                self._insist(key, deadline_ns)
        except CacheUnavailable as error:
            self._counters.add("changes_unpublished")
            if security:
                raise NotFinal("the end is stored, but not every worker can be told of it now") from error
            return
        self._wait()
        self._forget(xid)

    def settle(self) -> None:
        """Publish what has been left over. Raises CacheUnavailable, without asking PostgreSQL, or Unavailable."""
        if self._log is not None:
            self._log.last()
            self._publish(self._outbox.older_than(LEFT_OVER_S, BATCH))

    def drain(self) -> int:
        """Make left-over rows final and delete them, returns how many. Raises CacheUnavailable or Unavailable."""
        drained = 0
        while rows := self._outbox.older_than(LEFT_OVER_S, BATCH):
            self._publish(rows)
            self._wait()
            self._outbox.delete([row_id for row_id, _ in rows])
            drained += len(rows)
        if drained:
            self._counters.add("outbox_drained", drained)
        return drained

    def _publish(self, rows: Sequence[tuple[int, str]]) -> None:
        """To publish once more what somebody else publishes is harmless, so that nobody has to wait for a lock."""
        if self._log is None:
            return
        keys = dict.fromkeys(key for _, key in rows)
        if len(keys) > ONE_BY_ONE:
            self._log.forget_everything()
            return
        for key in keys:
            self._log.enter(self._log.take(), key)

    def _insist(self, key: str, deadline_ns: int) -> None:
        """Publish `key`, each of the two steps tried until the deadline. Raises CacheUnavailable."""
        if self._log is None:
            return
        position = self._until(deadline_ns, self._log.take)
        self._until(deadline_ns, self._log.enter, position, key)
        self._counters.add("changes_published")

    def _until(self, deadline_ns: int, step: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """What `step` returns when it succeeds. Raises CacheUnavailable when it still fails at the deadline."""
        failures = 0
        while True:
            try:
                return step(*args, **named)
            except CacheUnavailable:
                if self._clock.now_ns() >= deadline_ns:
                    raise
            self._clock.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    def _wait(self) -> None:
        """Let every lease end whose look started before now; without a log there is none."""
        if self._log is None:
            return
        until_ns = self._clock.now_ns() + int((LEASE_MAX_MS + SLACK_MS) * MS_IN_NS)
        while (left_ns := until_ns - self._clock.now_ns()) > 0:
            self._clock.sleep(left_ns / S_IN_NS)

    def _forget(self, xid: str | None) -> None:
        """A row that stays is published once more, later, by whoever drains."""
        if xid is not None:
            try:
                self._outbox.delete_of(xid)
            except Unavailable as error:
                log.info("outbox rows left to be drained", extra={"reason": error.detail})
