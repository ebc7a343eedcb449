"""Reading events by position, for feeds and for background work."""

from dataclasses import dataclass

from app.errors import Gone
from app.events.store import Batch, Event, EventStore, Place

BATCH = 500


class Resync(Gone):
    """The position is too old, or of a time before the database was restored or has failed over."""

    code, title = "resync", "The position is no longer known; begin anew without it"


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that a reader has dealt with, and the era in which the reader began."""

    era: str
    place: Place


class EventLog:
    """The events in their order. A reader without a position begins at `oldest` or at `newest`.

    A position may be stored, and be used by another process. When `read` raises Resync, a reader of postings reads them
    anew from a new position; background work begins at `oldest` and deals with some events for the second time.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def oldest(self) -> Position:
        """The position before all events that are kept."""
        batch = self._batch(Place(), 0)
        return Position(batch.era, batch.floor)

    def newest(self) -> Position:
        """A position before every change that a query cannot see which starts before this method is called."""
        batch = self._batch(Place(), 0)
        return Position(batch.era, batch.horizon)

    def read(
        self, position: Position, limit: int = BATCH, *, briefly: bool = False
    ) -> tuple[list[Event], Position]:  # fmt: skip
        """Up to `limit` events after `position`, and the position after them. Raises Resync or Unavailable.

        With `briefly` only the ends of postings have their payload.
        """
        batch = self._batch(position.place, limit, briefly=briefly)
        if batch.era != position.era or position.place < batch.floor:
            raise Resync("events are kept for 7 days, and a restored database begins anew")
        return batch.events, Position(batch.era, batch.events[-1].place) if batch.events else position

    def last(self) -> Place:
        """The newest event that can be read, to learn cheaply whether there is one after a position."""
        return self._store.last()

    def behind_s(self) -> float:
        """For how long the oldest event has been waiting that readers cannot see yet; raises Unavailable."""
        return self._store.behind_s()

    def renew(self) -> None:
        """Begin a new era if the database has been restored or has failed over."""
        if not self._store.same_era():
            self._store.begin_era()

    def rotate(self) -> int:
        """Remove old events; returns of how many days."""
        return self._store.rotate()

    def _batch(self, place: Place, limit: int, *, briefly: bool = False) -> Batch[Event]:
        batch = self._store.list_after(place, limit, briefly=briefly)
        if not batch.current:
            self._store.begin_era()
            batch = self._store.list_after(place, limit, briefly=briefly)
        return batch
