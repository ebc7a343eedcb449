"""A bounded map that evicts entries not used recently; a use costs only setting one attribute."""

import threading
from typing import Generic, Protocol, TypeVar


class Entry(Protocol):
    """The reader of an entry sets `used`."""

    used: bool


E = TypeVar("E", bound=Entry)


class SecondChanceCache(Generic[E]):
    """Second chance (CLOCK): evicts the oldest entry; one that was used moves to the young end once instead.

    `find` is the plain `dict.get`; the other methods may be called by several threads.
    """

    __slots__ = ("_capacity", "_entries", "_lock", "find")

    def __init__(self, capacity: int) -> None:
        self._entries: dict[int, E] = {}
        self.find = self._entries.get
        self._capacity = capacity
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: int, entry: E) -> None:
        """Add or replace."""
        with self._lock:
            self._entries[key] = entry
            self._shrink()

    def discard(self, key: int, entry: E) -> None:
        """Remove `entry` unless another one has taken its place."""
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]

    def resize(self, capacity: int) -> None:
        """Change the bound at once."""
        with self._lock:
            self._capacity = capacity
            self._shrink()

    def values(self) -> list[E]:
        """All entries at this moment."""
        with self._lock:
            return list(self._entries.values())

    def _shrink(self) -> None:
        entries = self._entries
        while len(entries) > self._capacity:
            key = next(iter(entries))
            entry = entries.pop(key)
            if entry.used:
                entry.used = False
                entries[key] = entry
