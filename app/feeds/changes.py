"""The change feed: all open postings, then every change, in an order without gaps."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.events.service import EventLog, Position
from app.events.store import Event
from app.feeds.cursors import ChangeCursors
from app.feeds.polling import Tail
from app.feeds.schemas import Ended, encode
from app.jobs.exports.service import Exported, Exporter
from app.users.store import utc
from app.web.pages import fitting

_OPEN, _ENDS = ("opened", "changed"), ("closed", "expired")


@dataclass(frozen=True, slots=True)
class Page:
    """The JSON of each change, the cursor behind them, whether others are there already, and how long it waited."""

    changes: list[bytes]
    next: str
    more: bool
    waited_s: float = 0.0


class ChangeFeed:
    """Pages of changes. A change that a later one of the same posting has overtaken is left out."""

    def __init__(self, events: EventLog, exporter: Exporter, cursors: ChangeCursors, tail: Tail) -> None:
        self._events, self._exporter, self._cursors, self._tail = events, exporter, cursors, tail

    def page(self, cursor: str | None, limit: int, wait_s: float = 0.0) -> Page:
        """The page behind `cursor`; without one the walk through all open postings begins.

        If nothing has changed yet, wait for it at most `wait_s` seconds. Raises Invalid or Resync.
        """
        if cursor is None:
            return self._walk(self._events.newest(), 0, limit)
        position, walked = self._cursors.open(cursor)
        if walked is not None:
            return self._walk(position, walked, limit)
        events, after = self._events.read(position, limit, briefly=True)
        began, moved = time.perf_counter(), False
        if not events and wait_s:
            moved = self._tail.wait(position.place, wait_s)
        waited_s = time.perf_counter() - began
        if moved:
            events, after = self._events.read(position, limit, briefly=True)
        sizes = self._exporter.sizes(list({each.ref for each in events if each.kind in _OPEN}))
        shown = events[: fitting(_sizes(events, sizes))]
        more = len(events) == limit or len(shown) < len(events)
        if shown:
            after = Position(after.era, shown[-1].place)
        return Page(self._shown(shown), self._cursors.seal(after, None), more, waited_s)

    def _walk(self, position: Position, walked: int, limit: int) -> Page:
        found, last = self._exporter.walk(walked, limit)
        now = datetime.now(UTC)
        changes = [_present("open", each, now) for each in found]
        return Page(changes, self._cursors.seal(position, last), True)

    def _shown(self, events: Sequence[Event]) -> list[bytes]:
        """The last event of each posting and company, with what it is now."""
        latest = {(each.kind.startswith("company_"), each.ref): each for each in events}
        kept = sorted(latest.values(), key=lambda each: each.place)
        jobs = self._exporter.open_by_ids([each.ref for each in kept if each.kind in _OPEN])
        companies = self._exporter.companies({each.ref for each in kept if each.kind == "company_changed"})
        changes = []
        for each in kept:
            if each.kind in _ENDS:
                changes.append(_ended(each))
            elif each.kind == "company_changed" and each.ref in companies:
                brief = companies[each.ref].brief_json
                changes.append(_change(each.kind, (each.ref, each.version), each.at, b"company", brief))
            elif each.kind in _OPEN and each.ref in jobs:
                changes.append(_present(each.kind, jobs[each.ref], each.at))
        return changes


def _sizes(events: Sequence[Event], sizes: Mapping[int, int]) -> Iterator[int]:
    """The bytes that each event adds to a page: the texts of a posting once, of which `sizes` are known."""
    left = dict(sizes)
    for each in events:
        yield len(encode(each.payload)) if each.kind in _ENDS else left.pop(each.ref, 0) if each.kind in _OPEN else 0


def _present(kind: str, exported: Exported, at: datetime) -> bytes:
    fact, company = exported
    return _change(kind, (fact.posting.id, fact.posting.version), at, b"job", fact.json(company))


def _change(kind: str, which: tuple[int, int], at: datetime, name: bytes, shown: bytes) -> bytes:
    """`which` is (id, version); `shown` the JSON of a posting or company."""
    head = b'{"event":"%b","id":%d,"version":%d,"at":%b,' % (kind.encode(), *which, encode(utc(at)))
    return head + b'"%b":%b}' % (name, shown)


def _ended(event: Event) -> bytes:
    places = event.payload["places"]
    countries = tuple(dict.fromkeys(place["country"] for place in places))
    return encode(
        Ended(event.kind, event.ref, event.version, utc(event.at), event.payload["company"], countries, places)
    )
