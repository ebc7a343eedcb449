"""SQL of events for accounts: the ones after a position, for all accounts or for one, writing, and their removal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app.events.store import Batch, Place, batch_of
from app.infra.postgres.database import Database, Transaction

# In one statement, so that the era, the floor, the horizon and the events are those of one snapshot.
_LIST_AFTER = """
SELECT o.name, o.number, f.era, f.xid::text, f.id, o.identity = event_identity(),
       pg_snapshot_xmin(pg_current_snapshot())::text, e.*
  FROM event_era o CROSS JOIN stream_floor f LEFT JOIN LATERAL (
       SELECT era, xid::text AS xid, id, user_id, type, at, data
         FROM stream_event s
        WHERE {of}(s.era, s.xid, s.id) > (%s, %s::xid8, %s)
          AND (s.era < o.number OR s.xid < pg_snapshot_xmin(pg_current_snapshot()))
        ORDER BY s.era, s.xid, s.id LIMIT %s) e ON true
 ORDER BY e.era, e.xid::xid8, e.id
"""

LIST_AFTER = _LIST_AFTER.format(of="")

LIST_AFTER_OF = _LIST_AFTER.format(of="s.user_id = %s AND ")

WRITE = "SELECT stream_to(reader, %s, %s::jsonb) FROM unnest(%s::bigint[]) AS reader"

ROTATE = "SELECT rotate_stream_events()"


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """`type` begins with the topic: `account.`, `applications.` or `alerts.`"""

    place: Place
    user_id: int
    type: str
    at: datetime
    data: dict[str, Any]


class StreamStore:
    """Each method is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_after(self, place: Place, limit: int) -> Batch[StreamEvent]:
        """Up to `limit` events of all accounts in their order, all older than every transaction that still runs."""
        return batch_of(self._database.all(LIST_AFTER, place.era, str(place.xid), place.id, limit), _event)

    def list_of(self, user_id: int, place: Place, limit: int) -> Batch[StreamEvent]:
        """The same of one account."""
        return batch_of(self._database.all(LIST_AFTER_OF, user_id, place.era, str(place.xid), place.id, limit), _event)

    def rotate(self) -> int:
        """Remove events that are older than clients may resume; returns how many partitions were emptied."""
        row = self._database.one(ROTATE)
        return 0 if row is None else int(row[0])


def write(transaction: Transaction, user_ids: Sequence[int], kind: str, data: Mapping[str, Any]) -> None:
    """Write an event of type `kind`, such as `alerts.matched`, for each account; it is sent after the commit.

    `data` holds ids and numbers only: clients ask the API for the rest, which knows what they may see.
    """
    transaction.run(WRITE, kind, msgspec.json.encode(data).decode(), list(user_ids))


def _event(row: Sequence[Any]) -> StreamEvent:
    era, xid, number, user_id, kind, at, data = row
    return StreamEvent(Place(era, int(xid), number), user_id, kind, at, data)
