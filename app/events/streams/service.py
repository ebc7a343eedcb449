"""Reading events for accounts by position; a client keeps a position as text and resumes after it."""

import re

from app.errors import Unavailable
from app.events.service import BATCH, Position, Resync
from app.events.store import Batch, Place
from app.events.streams.store import StreamEvent, StreamStore

REPLAY_MOST = 500
"""A client that has missed more events is told to read anew what it shows."""

_SPELLED = re.compile(r"([0-9a-f]{8})-([0-9]{1,9})-([0-9]{1,19})-([0-9]{1,19})")


class StreamLog:
    """The events of all accounts in their order. Methods raise Resync, or Unavailable."""

    def __init__(self, store: StreamStore) -> None:
        self._store = store

    def newest(self) -> Position:
        """A position before every change that a query cannot see which starts before this method is called."""
        batch = _current(self._store.list_after(Place(), 0))
        return Position(batch.era, batch.horizon)

    def read(self, position: Position) -> tuple[list[StreamEvent], Position]:
        """Events after `position`, and the position after them."""
        batch = _kept(self._store.list_after(position.place, BATCH), position)
        return batch.events, Position(batch.era, batch.events[-1].place) if batch.events else position

    def missed(self, user_id: int, position: Position, until: Place) -> list[StreamEvent]:
        """Events of an account after `position` up to `until`; raises Resync for a position of the future, too."""
        batch = _kept(self._store.list_of(user_id, position.place, REPLAY_MOST + 1), position)
        if position.place > batch.horizon or len(batch.events) > REPLAY_MOST:
            raise Resync
        return [event for event in batch.events if event.place <= until]

    def rotate(self) -> int:
        """Remove old events; returns how many partitions were emptied."""
        return self._store.rotate()


def spell(position: Position) -> str:
    """The position as clients keep it: the id of an event."""
    era, xid, number = position.place.era, position.place.xid, position.place.id
    return f"{position.era[:8]}-{era}-{xid}-{number}"


def parse(text: str, now: Position) -> Position | None:
    """The position that `spell` wrote, within the era of `now`; None for any other text."""
    found = _SPELLED.fullmatch(text)
    if found is None or found[1] != now.era[:8]:
        return None
    return Position(now.era, Place(int(found[2]), int(found[3]), int(found[4])))


def _current(batch: Batch[StreamEvent]) -> Batch[StreamEvent]:
    if not batch.current:
        raise Unavailable("the database is another one than before; a new era is about to begin")
    return batch


def _kept(batch: Batch[StreamEvent], position: Position) -> Batch[StreamEvent]:
    if _current(batch).era != position.era or position.place < batch.floor:
        raise Resync
    return batch
