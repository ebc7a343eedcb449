"""The lease: a state of the log recent enough for a request, which reuses, joins or makes a look."""

import threading
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter

from app.coherence.clock import MS_IN_NS, S_IN_NS, Clock, Signal
from app.coherence.kept_answers import NO_ANSWERS, KeptAnswers
from app.coherence.log.agreement import LOG_KEY, Agreement, Terms
from app.coherence.log.history import NEVER_NS, History, Position, State, ignorance
from app.coherence.log.look import Finding, look
from app.errors import Unavailable, WrongLog
from app.infra.memcache.client import CacheUnavailable
from app.infra.metrics.counters import Counters
from app.infra.postgres.replica import Place

LEASE_MAX_MS = 50
LOOK_AHEAD = 0.5
"""The part of the lease after which one request makes the next look, while the others go on with the present state."""
JOIN_LIMIT_S = 1.0
ABSENCE_NS = 4 * S_IN_NS
LOOKS = 4


class Lease:
    """What this worker knows of the log, and which requests may rely on it.

    A request may rely on a state whose look started less than `lease_ms` before the request asked. Every change that
    was final by then was published, and its publisher has waited LEASE_MAX_MS, before the request asked: the look
    started after the publication and knows of it. How long the look or the request takes does not matter.

    When half of the lease is over, one request looks ahead; the others use the present state until its lease ends, so
    that under load no other request waits for a look. A look ahead that fails extends nothing, and is not tried again
    before the lease has ended.

    `settle` is called before a look that follows an absence of 4 s from the log. It publishes what was stored while
    nobody could publish (`publisher.py`), and may raise `Unavailable`, which the request that made the look gets.

    The server's kept answers are told of a look before its state is installed, and of nothing when it is not.

    A state grants no lease before the database has agreed to the log at a position that the state proves: after each
    new history, and after a change of `LOG_KEY`, the database is asked, and the log looked at once more.
    """

    __slots__ = (
        "_agreed_at",
        "_agreement",
        "_broken",
        "_clock",
        "_counters",
        "_flight",
        "_fresh_ns",
        "_lease_ns",
        "_mutex",
        "_now_ns",
        "_settle",
        "answers",
        "state",
    )

    def __init__(
        self, agreement: Agreement, clock: Clock, counters: Counters, settle: Callable[[], object]
    ) -> None:  # fmt: skip
        """Without an agreement to use a log there is no lease."""
        self._agreement, self._clock, self._counters, self._settle = agreement, clock, counters, settle
        self._agreed_at = 0
        self._now_ns = clock.now_ns
        self._mutex = threading.Lock()
        self.answers: KeptAnswers = NO_ANSWERS
        self._flight: Signal | None = None
        self._broken = False
        self.state = ignorance()
        self.apply(LEASE_MAX_MS)

    def apply(self, lease_ms: int) -> None:
        """Lower the lease; 0 looks for each call of `current`."""
        with self._mutex:
            self._lease_ns = min(lease_ms, LEASE_MAX_MS) * MS_IN_NS
            self._fresh_ns = int(self._lease_ns * LOOK_AHEAD)
            self.answers.lower(self.state.start_ns + self._lease_ns)

    def current(self) -> State | None:
        """A state that the caller may rely on, None when the log cannot be read now."""
        state, now_ns = self.state, self._now_ns()
        if now_ns - state.start_ns < self._fresh_ns:
            return state
        oldest_ns = now_ns - self._lease_ns
        return self._ahead(state) if state.start_ns > oldest_ns else self._since(oldest_ns)

    def renewed(self) -> State | None:
        """A state whose look starts after this call, None when the log cannot be read now."""
        return self._since(self._now_ns())

    def position(self) -> Position | None:
        """This worker's position on the log, None before its first look."""
        return self.state.position or None

    def anchor(self, state: State, place: Place) -> None:
        """Note that the primary was at `place` when it was asked after `state` had been installed."""
        with self._mutex:
            state.history.marks.anchor(state.position, place)

    def _ahead(self, state: State) -> State:
        """Make the next look, unless another request makes it; returns `state`, or a later one that grants a lease."""
        if self._flight is not None or self._broken:
            return state
        flight, leads = self._board()
        if leads:
            with suppress(Unavailable):
                self._fly(flight)
        return max(state, self.state, key=attrgetter("start_ns"))

    def _since(self, oldest_ns: int) -> State | None:
        """A state whose look started at `oldest_ns` or later."""
        if not self._agreement.leads_to_log:
            return None
        # A look under way may have started too early; the next one has not. The third try is for lost races only.
        for _ in range(3):
            flight, leads = self._board()
            if leads:
                self._fly(flight)
            elif self._broken or not flight.wait(JOIN_LIMIT_S):
                return None
            if self.state.start_ns >= oldest_ns:
                return self.state
            if self._broken:
                return None
        return None

    def _board(self) -> tuple[Signal, bool]:
        """The look under way, or a new one; True when the caller must make it."""
        with self._mutex:
            if self._flight is not None:
                return self._flight, False
            self._flight = self._clock.signal()
            return self._flight, True

    def _fly(self, flight: Signal) -> None:
        """Make the look. While the log is known to be broken, only this caller waits for it; others get no lease."""
        try:
            terms = self._agreement.require()
            if self._now_ns() - self.state.start_ns > ABSENCE_NS:
                self._settle()
            self._look(terms)
            self._broken = False
        except (CacheUnavailable, WrongLog):
            self._fail()
        except Unavailable:
            self._fail()
            raise
        finally:
            with self._mutex:
                self._flight = None
            flight.set()

    def _look(self, terms: Terms) -> None:
        """Look until the state proves that the database has agreed; ask it when the state does not."""
        for _ in range(LOOKS):
            if terms.log is None:
                return
            self._counters.add("lease_looks")
            seen = self.state
            self._install(seen, look(terms.log, seen, self._clock))
            position = self.state.position
            if self._agreed(self.state):
                return
            before, terms = terms, self._agreement.ask()
            # The answer holds at `position`, which was taken before asking, if the log is still the one looked at.
            if terms.counter == before.counter:
                self._agreed_at = position

    def _agreed(self, state: State) -> bool:
        return state.proves((LOG_KEY,), self._agreed_at)

    def _fail(self) -> None:
        self._broken = True
        self._counters.add("lease_failures")

    def _install(self, seen: State, found: Finding) -> None:
        """Replace the state, unless another look has replaced it since this one began."""
        with self._mutex:
            if self.state is not seen:
                return
            if found.entries is None:
                history = History(found.last)
            else:
                history = seen.history
                history.record(found.entries)
                if found.entries:
                    history.marks.follow(found.last, found.places, len(found.entries))
            state = State(history, found.last, found.start_ns)
            if not self._agreed(state):
                state.start_ns = NEVER_NS  # grants no lease
            changed = None if found.entries is None else list(found.entries.values())
            self.answers.looked(state.position, changed, state.start_ns, self._lease_ns)
            self.state = state
        if found.entries is None:
            self._counters.add("histories_started")
