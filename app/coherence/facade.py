"""The facade of the package; its parts are composed only here."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.coherence.clock import SYSTEM_CLOCK, Clock
from app.coherence.facts.derived import DerivedCache
from app.coherence.facts.ended_sessions import EndedSessions
from app.coherence.facts.fact_cache import FactCache
from app.coherence.facts.replicas import ReplicaReads
from app.coherence.facts.shared import Kind, SharedFacts
from app.coherence.kept_answers import NO_ANSWERS, KeptAnswers
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
from app.infra.postgres.replica import Primary, Replica
from app.infra.relying import Part

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
    pages: DerivedCache[Any]
    ended_sessions: EndedSessions

    def __init__(
        self, memcache: Memcache, database: Database, counters: Counters, tuning: Caches, kinds: Kinds,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:  # fmt: skip
        self._clock, self._counters, self._memcache = clock, counters, memcache
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
        self.pages = DerivedCache(lease, clock)
        shared_sessions = shared(kinds.sessions)
        self.sessions = FactCache(kinds.sessions, shared_sessions, lease, clock, counters)
        self.ended_sessions = EndedSessions(shared_sessions, clock.now_ns)
        self.answers: KeptAnswers = NO_ANSWERS
        self.replicas: ReplicaReads | None = None
        self.apply(tuning)

    def keep_answers(self, answers: KeptAnswers) -> None:
        """Tell `answers` what they need to know from now on; before the first request."""
        self.answers = self._lease.answers = self.ended_sessions.answers = answers

    def use_replicas(self, replicas: Sequence[Replica], primary: Primary) -> None:
        """Read facts other than sessions on `replicas` where that is proven; before the first request."""
        if self.agreement.log is None or not replicas:
            return
        self.agreement.log.with_places = True
        self._publisher.place = primary.place
        self.replicas = ReplicaReads(replicas, primary, self._lease, self._clock, self._counters)
        self.users.replicas = self.companies.replicas = self.jobs.replicas = self.searches.replicas = self.replicas

    def show(self, gauge: Callable[[str, float], None]) -> None:
        """Set this worker's gauges of its caches and of the log."""
        gauge("log_refused", self.agreement.refused)
        gauge("log_changing", self.agreement.changing)
        gauge("users_cached", len(self.users))
        gauge("sessions_cached", len(self.sessions))
        gauge("companies_cached", len(self.companies))
        gauge("jobs_cached", len(self.jobs))
        gauge("searches_cached", len(self.searches))
        gauge("sessions_ended", len(self.ended_sessions))
        if self.replicas is not None:
            self.replicas.show(gauge)

    def proven(self, *parts: Part) -> Position | None:
        """The position of the state that proves all of `parts`; None when it does not prove them or has no log.

        What is kept by it must be kept before another look is installed.
        """
        state = self._lease.state
        for part in parts:
            position = state.position if part.position is None else part.position
            if part.refused or not state.proves(tuple(part.keys), position):
                return None
        return state.position or None

    def apply(self, tuning: Caches) -> None:
        """Apply new cache bounds and a new lease time at once."""
        self._lease.apply(tuning.lease_ms)
        self.users.apply(tuning.user)
        self.sessions.apply(tuning.user)
        self.companies.apply(tuning.company)
        self.jobs.apply(tuning.job)
        self.searches.apply(tuning.search)
        self.pages.apply(tuning.search)
        self.ended_sessions.apply(tuning.blacklist)

    def replicas_used(self) -> tuple[int, int]:
        """How many replicas there are in the settings, and how many are read from."""
        standings = () if self.replicas is None else self.replicas.standings
        return len(standings), sum(each.asked for each in standings)

    def leased(self) -> bool:
        """Whether this worker knows every change that is final at the time of the call; reads the log if necessary."""
        return self._lease.current() is not None

    def position(self) -> Position | None:
        """This worker's position on the log, to be taken before reading PostgreSQL; None before its first look."""
        return self._lease.position()

    def put(self, position: Position | None, *values: tuple[FactCache[Any], int, Any]) -> None:
        """Keep a value in each of these caches, as their `put` does, with one write to the shared cache."""
        if position is not None:
            items: dict[str, tuple[bytes, int]] = {}
            for cache, key, value in values:
                items |= cache.keep(key, value, position)
            self._memcache.set_many(items)

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
