"""The look: what has been published since a state was installed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.coherence.clock import Clock
from app.coherence.log.change_log import REACH, ChangeLog
from app.coherence.log.history import Position, State
from app.infra.memcache.client import CacheUnavailable
from app.infra.postgres.replica import Place

GAP_TRIES = 5
GAP_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True)
class Finding:
    """`entries` are all changes from the state to `last`; None when some are missing and a new history must begin.

    `places` has those of the entries that came with one.
    """

    last: Position
    entries: dict[Position, str] | None
    start_ns: int
    places: Mapping[Position, Place] = field(default_factory=dict)


def look(log: ChangeLog, seen: State, clock: Clock) -> Finding:
    """Read the log. A missing counter is created and read again, so that a miss never grants a lease.

    Raises CacheUnavailable.
    """
    for _ in range(2):
        start_ns = clock.now_ns()
        last = log.last()
        if last is not None:
            entries = _entries(log, seen.position, last, clock)
            places = log.places(seen.position, last) if entries and log.with_places else {}
            return Finding(last, entries, start_ns, places)
        log.begin_era()
    raise CacheUnavailable("the counter disappears as soon as it is created")


def _entries(log: ChangeLog, after: Position, last: Position, clock: Clock) -> dict[Position, str] | None:
    """All entries after `after` up to `last`; retries a missing one, whose writer may be between its two steps."""
    wanted = last - after
    if wanted == 0:
        return {}
    if not 0 < wanted <= REACH:
        return None
    for attempt in range(GAP_TRIES):
        if attempt:
            clock.sleep(GAP_PAUSE_S)
        entries = log.entries(after, last)
        if len(entries) == wanted:
            return entries
    return None
