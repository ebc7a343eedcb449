"""The change log on memcached server 0: a counter, and one entry for each change.

A writer publishes in two acknowledged steps, after its commit: it takes the next number for each key that has changed,
all of them at once, then it enters the keys under these numbers, in one exchange. Numbers are positions. Several keys
are no unit: a reader follows the log only over numbers that are all entered, and looks again for the others. What a
loss does:

- *Entries lost, or their writer died between the steps.* Readers find a gap and start a new history at the counter's
  value (`lease.py`): facts from before the gap are unusable, and later ones were read after the commit.
- *Counter lost* (restart, flush, eviction). The next one starts at a random number of 62 bits, so that positions of
  two eras never meet, whatever the clocks of the machines say: facts of the old era are unusable in the new one. A
  number taken in the old era and entered in the new one is never read, which is safe: a worker that has looked since
  the loss uses only facts that were read after it, hence after the commit; a worker that has not looked has no lease
  any more once the writer has waited (`publisher.py`).
- *An acknowledgement lost.* The step is repeated; a number that is never entered is a gap, an entry set twice is
  the same entry. Entries of which the server has stored only some are repeated together.

With replicas, an entry comes with a place in the primary's WAL (`replay.py`), in an item of its own that is stored
before the entry: who finds the entry finds the place, unless it was published without one or the item was lost.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from app.coherence.log.history import Position
from app.infra.memcache.client import CacheUnavailable
from app.infra.postgres.replica import Place

TICKET = "ticket"
ENTRY_TTL_S = 3600
REACH = 4096
CHUNK = 512
ERA_BITS = 62
ATTEMPTS = 5


class LogServer(Protocol):
    """memcached server 0; every method raises `CacheUnavailable` unless the server has acknowledged."""

    def get(self, key: str) -> bytes | None: ...
    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]: ...
    def add(self, key: str, value: bytes, ttl_s: int) -> bool: ...
    def incr(self, key: str, by: int = 1) -> int | None: ...
    def set_all(self, items: Mapping[str, tuple[bytes, int]]) -> object: ...


class ChangeLog:
    """Readers follow the log over at most `REACH` entries; a worker further behind starts a new history instead."""

    with_places = False
    """Whether readers need the places of changes."""

    def __init__(self, server: LogServer, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._server, self._random_bits = server, random_bits
        self._counter = TICKET

    def counted_by(self, counter: str) -> "ChangeLog":
        """The log with that counter on the same server, independent of logs with other counters."""
        made = ChangeLog(self._server, self._random_bits)
        made._counter, made.with_places = counter, self.with_places
        return made

    def take(self, numbers: int) -> Position:
        """First step of a publication: the next `numbers`, of which the first is returned. Raises CacheUnavailable."""
        return self._advance(numbers) - numbers + 1

    def enter(self, first: Position, keys: Sequence[str], place: Place | None = None) -> None:
        """Second step: what has changed, one key at each number from `first` on. Raises CacheUnavailable.

        `place` was asked for after the commit, and before the first step.
        """
        items: dict[str, tuple[bytes, int]] = {}
        if place is not None:
            told = f"{place.lsn} {place.line}".encode()
            items = {_place(number): (told, ENTRY_TTL_S) for number in range(first, first + len(keys))}
        items |= {_entry(number): (key.encode(), ENTRY_TTL_S) for number, key in enumerate(keys, first)}
        self._server.set_all(items)

    def forget_everything(self) -> None:
        """Publish a change of all keys: after a jump beyond REACH readers begin anew. Raises CacheUnavailable."""
        self._advance(REACH + 1)

    def last(self) -> Position | None:
        """The last number taken, None when the counter is missing. Raises CacheUnavailable."""
        value = self._server.get(self._counter)
        return None if value is None else _number(value)

    def begin_era(self) -> None:
        """Create the counter if it is missing, at a random number. Raises CacheUnavailable."""
        self._server.add(self._counter, b"%d" % self._random_bits(ERA_BITS), 0)

    def entries(self, after: Position, last: Position) -> dict[Position, str]:
        """What changed after `after` up to `last`, without the entries that are missing. Raises CacheUnavailable."""
        return {number: value.decode(errors="replace") for number, value in self._items(_entry, after, last)}

    def places(self, after: Position, last: Position) -> dict[Position, Place]:
        """Those of the entries after `after` up to `last` that came with one. Raises CacheUnavailable."""
        read = ((number, _read_place(value)) for number, value in self._items(_place, after, last))
        return {number: place for number, place in read if place is not None}

    def _items(self, named: Callable[[Position], str], after: Position, last: Position) -> Iterator[tuple[int, bytes]]:
        for first in range(after + 1, last + 1, CHUNK):
            asked = {named(number): number for number in range(first, min(first + CHUNK, last + 1))}
            for name, value in self._server.get_many(list(asked)).items():
                yield asked[name], value

    def _advance(self, by: int) -> Position:
        for _ in range(ATTEMPTS):
            number = self._server.incr(self._counter, by)
            if number is not None:
                return number
            self.begin_era()
        raise CacheUnavailable("the counter disappears as soon as it is created")


def _entry(position: Position) -> str:
    return f"e:{position}"


def _place(position: Position) -> str:
    return f"l:{position}"


def _read_place(value: bytes) -> Place | None:
    lsn, _, line = value.decode(errors="replace").partition(" ")
    return Place(line, int(lsn)) if lsn.isdecimal() else None


def _number(value: bytes) -> Position:
    try:
        return int(value)
    except ValueError as error:
        raise CacheUnavailable("the counter is not a number") from error
