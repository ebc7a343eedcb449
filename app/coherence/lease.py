"""The lease: the look at the log that a request makes, joins or finds recent enough."""

import threading
from collections.abc import Callable

from app.coherence.clock import MS_IN_NS, S_IN_NS, Clock, Signal
from app.coherence.history import History, Position, State, ignorance
from app.coherence.log import ChangeLog
from app.coherence.look import Finding, look
from app.errors import Unavailable
from app.infra.counters import Counters
from app.infra.memcache import CacheUnavailable

LEASE_MAX_MS = 50
JOIN_LIMIT_S = 1.0
ABSENCE_NS = 4 * S_IN_NS


class Lease:
    """What this worker knows of the log, and for whom that is recent enough.

    A request may rely on a state whose look started less than `lease_ms` before the request asked. Every change that
    was final by then was published, and its publisher has waited LEASE_MAX_MS, before the request asked: the look
    started after the publication and knows of it. How long the look or the request takes does not matter.

    `settle` is called before a look that follows an absence of 4 s from the log. It publishes what was stored while
    nobody could publish (`final.py`), and may raise `Unavailable`, which the request that made the look gets.
    """

    __slots__ = (
        "_broken",
        "_clock",
        "_counters",
        "_flight",
        "_lease_ns",
        "_log",
        "_mutex",
        "_now_ns",
        "_settle",
        "state",
    )

    def __init__(self, log: ChangeLog | None, clock: Clock, counters: Counters, settle: Callable[[], object]) -> None:
        """Without a `log` nobody ever has a lease."""
        self._log, self._clock, self._counters, self._settle = log, clock, counters, settle
        self._now_ns = clock.now_ns
        self._lease_ns = LEASE_MAX_MS * MS_IN_NS
        self._mutex = threading.Lock()
        self._flight: Signal | None = None
        self._broken = False
        self.state = ignorance()

    def apply(self, lease_ms: int) -> None:
        """Lower the lease; 0 looks for each call of `current`."""
        self._lease_ns = min(lease_ms, LEASE_MAX_MS) * MS_IN_NS

    def current(self) -> State | None:
        """A state that the caller may rely on, None when the log cannot be read now."""
        state = self.state
        oldest_ns = self._now_ns() - self._lease_ns
        return state if state.start_ns > oldest_ns else self._since(oldest_ns)

    def renewed(self) -> State | None:
        """A state whose look starts after this call, None when the log cannot be read now."""
        return self._since(self._now_ns())

    def position(self) -> Position | None:
        """Where this worker is on the log, None before its first look."""
        return self.state.position or None

    def _since(self, oldest_ns: int) -> State | None:
        """A look under way may have started too early, the one after it has not; a third is for lost races only."""
        change_log = self._log
        if change_log is None:
            return None
        for _ in range(3):
            flight, leads = self._board()
            if leads:
                self._fly(flight, change_log)
            elif self._broken or not flight.wait(JOIN_LIMIT_S):
                return None
            if self.state.start_ns >= oldest_ns:
                return self.state
            if self._broken:
                return None
        return None

    def _board(self) -> tuple[Signal, bool]:
        """The look under way, or a new one that the caller has to make."""
        with self._mutex:
            if self._flight is not None:
                return self._flight, False
            self._flight = self._clock.signal()
            return self._flight, True

    def _fly(self, flight: Signal, change_log: ChangeLog) -> None:
        """While the log is known to be broken only the caller here waits for it; the others do without."""
        try:
            if self._now_ns() - self.state.start_ns > ABSENCE_NS:
                self._settle()
            self._counters.add("lease_looks")
            seen = self.state
            self._install(seen, look(change_log, seen, self._clock))
            self._broken = False
        except CacheUnavailable:
            self._fail()
        except Unavailable:
            self._fail()
            raise
        finally:
            with self._mutex:
                self._flight = None
            flight.set()

    def _fail(self) -> None:
        self._broken = True
        self._counters.add("lease_failures")

    def _install(self, seen: State, found: Finding) -> None:
        """In one step, and only when nothing was installed since the look began."""
        with self._mutex:
            if self.state is not seen:
                return
            if found.entries is None:
                history = History(found.last)
            else:
                history = seen.history
                history.record(found.entries)
            self.state = State(history, found.last, found.start_ns)
        if found.entries is None:
            self._counters.add("histories_started")
