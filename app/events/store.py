"""SQL of events: the ones after a position, what holds readers back, a new era after a restore, and their removal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from app.infra.postgres.database import Database

# In one statement, so that the era, the horizon and the events are those of one snapshot.
_LIST = """
SELECT o.name, o.number, o.floor_era, o.floor_xid::text, o.floor_id, o.identity = event_identity(),
       pg_snapshot_xmin(pg_current_snapshot())::text, e.*
  FROM event_era o LEFT JOIN LATERAL (
       SELECT era, xid::text AS xid, id, kind, ref, version, at, {payload} AS payload
         FROM event
        WHERE (event.era, event.xid, event.id) > (%s, %s::xid8, %s)
          AND (event.era < o.number OR event.xid < pg_snapshot_xmin(pg_current_snapshot()))
        ORDER BY event.era, event.xid, event.id LIMIT %s) e ON true
 ORDER BY e.era, e.xid::xid8, e.id
"""
LIST_AFTER = _LIST.format(payload="payload")

# What a changed posting was found by before is as long as its texts.
LIST_BRIEFLY = _LIST.format(payload="CASE WHEN kind IN ('closed', 'expired') THEN payload ELSE '{}' END")

BEHIND = """
SELECT COALESCE(extract(epoch FROM now() - min(e.at)), 0)::float8
  FROM event_era o JOIN event e ON e.era = o.number AND e.xid >= pg_snapshot_xmin(pg_current_snapshot())
"""

LAST = """
SELECT e.era, e.xid::text, e.id FROM event e, event_era o
 WHERE e.era < o.number OR e.xid < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY e.era DESC, e.xid DESC, e.id DESC LIMIT 1
"""

SAME_ERA = "SELECT identity = event_identity() FROM event_era"

# Writers of the ending era finish before the lock is granted, and later ones see the new era.
STOP_WRITERS = "LOCK TABLE event, stream_event IN SHARE ROW EXCLUSIVE MODE"

BEGIN_ERA = """
UPDATE event_era SET number = number + 1, name = gen_random_uuid()::text, identity = event_identity()
 WHERE identity <> event_identity()
"""

ROTATE = "SELECT rotate_events()"

_HEADER = 7
E = TypeVar("E")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an event stands in the order of all events."""

    era: int = 0
    xid: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """`kind`, `version` and `payload` are described by the table's comments."""

    place: Place
    kind: str
    ref: int
    version: int
    at: datetime
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch(Generic[E]):
    """Events after a place, and what was true when they were read.

    `floor` is the last event that is no longer kept, `horizon` a place that every event comes after which was not yet
    visible. `current` says that the era has not ended.
    """

    era: str
    floor: Place
    horizon: Place
    current: bool
    events: list[E]


class EventStore:
    """Each method is one statement, except `begin_era`, which is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_after(self, place: Place, limit: int, *, briefly: bool = False) -> Batch[Event]:
        """Up to `limit` events in their order, all of them older than every transaction that still runs.

        With `briefly` only the ends of postings have their payload.
        """
        listing = LIST_BRIEFLY if briefly else LIST_AFTER
        return batch_of(self._database.all(listing, place.era, str(place.xid), place.id, limit), _event)

    def last(self) -> Place:
        """The newest event that can be read."""
        row = self._database.one(LAST)
        return Place() if row is None else Place(row[0], int(row[1]), row[2])

    def behind_s(self) -> float:
        """The age of the oldest event that a transaction which still runs keeps from being read."""
        row = self._database.one(BEHIND)
        return 0.0 if row is None else float(row[0])

    def same_era(self) -> bool:
        """Whether the database is still the one with which the era began."""
        row = self._database.one(SAME_ERA)
        return row is not None and bool(row[0])

    def begin_era(self) -> None:
        """Begin a new era unless another process has done so."""
        with self._database.transaction() as transaction:
            transaction.run(STOP_WRITERS)
            transaction.run(BEGIN_ERA)

    def rotate(self) -> int:
        """Remove events that are older than any reader may be behind; returns how many days' events."""
        row = self._database.one(ROTATE)
        return 0 if row is None else int(row[0])


def batch_of(rows: Sequence[Sequence[Any]], event_of: Callable[[Sequence[Any]], E]) -> Batch[E]:
    """A batch from rows that begin with the same seven columns; those of an event follow, NULL where there is none."""
    name, number, floor_era, floor_xid, floor_id, current, xmin = rows[0][:_HEADER]
    return Batch(
        name,
        Place(floor_era, int(floor_xid), floor_id),
        Place(number, int(xmin), 0),
        current,
        [event_of(row[_HEADER:]) for row in rows if row[_HEADER] is not None],
    )


def _event(row: Sequence[Any]) -> Event:
    era, xid, number, kind, ref, version, at, payload = row
    return Event(Place(era, int(xid), number), kind, ref, version, at, payload)
