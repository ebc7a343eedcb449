"""Follows the change log for a process that keeps nothing but which sessions its connections have."""

import logging

from app.coherence.clock import SYSTEM_CLOCK, Clock
from app.coherence.kept_answers import KeptAnswers
from app.coherence.log.agreement import Agreement
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.lease import Lease
from app.coherence.log.store import NO_LOG, LogRecord
from app.coherence.publisher import Publisher
from app.coherence.store import Outbox
from app.errors import Unavailable, WrongLog
from app.infra.memcache.client import CacheUnavailable, Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database

log = logging.getLogger(__name__)


class Follower:
    """One lease for the whole process; `told` hears of each look before the lease that the look grants begins."""

    def __init__(
        self, memcache: Memcache, database: Database, counters: Counters, told: KeptAnswers,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:  # fmt: skip
        change_log = ChangeLog(memcache.primary) if memcache.configured else None
        own = memcache.primary.name if memcache.configured else NO_LOG
        self.agreement = Agreement(own, change_log, LogRecord(database))
        self._publisher = Publisher(self.agreement, Outbox(database), clock, counters)
        self._lease = Lease(self.agreement, clock, counters, self._publisher.settle)
        self._lease.answers = told

    def look(self) -> bool:
        """Look at the log now; False when it cannot be read, or none is used."""
        try:
            return self._lease.renewed() is not None
        except Unavailable as error:
            log.info("no look at the log of changes", extra={"reason": error.detail})
            return False

    def apply(self, lease_ms: int) -> None:
        """Apply another time of leases."""
        self._lease.apply(lease_ms)

    def drain(self) -> None:
        """Make left-over changes final, and notice when the database is used with another log than before."""
        try:
            self.agreement.renew()
            self._publisher.drain()
        except (CacheUnavailable, Unavailable, WrongLog) as error:
            log.info("left-over changes have to wait", extra={"reason": str(error)})
