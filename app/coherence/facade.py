"""The facade of the package; its parts are composed only here."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.coherence.clock import SYSTEM_CLOCK, Clock
from app.coherence.facts.ended_sessions import EndedSessions
from app.coherence.facts.fact_cache import FactCache
from app.coherence.facts.shared import Kind, SharedFacts
from app.coherence.log.agreement import Agreement
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.history import Position
from app.coherence.log.lease import Lease
from app.coherence.log.store import NO_LOG, LogRecord
from app.coherence.publisher import Publisher
from app.coherence.store import Outbox
from app.config import Caches
from app.errors import Unavailable
from app.infra.memcache.client import CacheUnavailable, Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kinds:
    """How the domains' facts are kept."""

    users: Kind[Any]
    sessions: Kind[Any]
    companies: Kind[Any]
    jobs: Kind[Any]
    searches: Kind[Any]


class Coherence:
    """One for each worker process, made after the fork.

    Without memcached there is no log: no worker has a lease, every request asks PostgreSQL, and a write is
    final at its commit. `agreement` says whether the database is used with this process's log.
    """

    users: FactCache[Any]
    sessions: FactCache[Any]
    companies: FactCache[Any]
    jobs: FactCache[Any]
    searches: FactCache[Any]
    ended_sessions: EndedSessions

    def __init__(
        self, memcache: Memcache, database: Database, counters: Counters, tuning: Caches, kinds: Kinds,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:  # fmt: skip
        change_log = ChangeLog(memcache.primary) if memcache.configured else None
        own = memcache.primary.name if memcache.configured else NO_LOG
        self.agreement = agreement = Agreement(own, change_log, LogRecord(database))
        self._publisher = Publisher(agreement, Outbox(database), clock, counters)
        self._lease = lease = Lease(agreement, clock, counters, self._publisher.settle)

        def shared(kind: Kind[Any]) -> SharedFacts[Any]:
            return SharedFacts(kind, memcache, clock.wall_s)

        def cache(kind: Kind[Any]) -> FactCache[Any]:
            return FactCache(kind, shared(kind), lease, clock, counters)

        self.users, self.companies, self.jobs = cache(kinds.users), cache(kinds.companies), cache(kinds.jobs)
        self.searches = cache(kinds.searches)
        shared_sessions = shared(kinds.sessions)
        self.sessions = FactCache(kinds.sessions, shared_sessions, lease, clock, counters)
        self.ended_sessions = EndedSessions(shared_sessions, clock.now_ns)
        self.apply(tuning)

    def apply(self, tuning: Caches) -> None:
        """Apply new cache bounds and a new lease time at once."""
        self._lease.apply(tuning.lease_ms)
        self.users.apply(tuning.user)
        self.sessions.apply(tuning.user)
        self.companies.apply(tuning.company)
        self.jobs.apply(tuning.job)
        self.searches.apply(tuning.search)
        self.ended_sessions.apply(tuning.blacklist)

    def leased(self) -> bool:
        """Whether this worker knows every change that is final at the time of the call; reads the log if necessary."""
        return self._lease.current() is not None

    def position(self) -> Position | None:
        """This worker's position on the log, to be taken before reading PostgreSQL; None before its first look."""
        return self._lease.position()

    def usable(self, keys: tuple[str, ...], position: Position) -> bool:
        """The rule, for a caller that was `leased` since its request began."""
        return self._lease.state.proves(keys, position)

    def final(self, keys: Sequence[str], xid: str | None, *, security: bool) -> None:
        """Return when a committed change of `keys` is final; the package's docstring says more. Raises NotFinal."""
        self._publisher.final(keys, xid, security=security)

    def drain(self) -> None:
        """Make left-over changes final, and read the log, so that an idle worker stays up to date.

        Also notices when the database is used with another log than before.
        """
        try:
            self.agreement.renew()
            self._publisher.drain()
            self._lease.current()
        except (CacheUnavailable, Unavailable) as error:
            log.info("left-over changes have to wait", extra={"reason": str(error)})
