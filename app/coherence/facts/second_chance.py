"""A bounded map that evicts entries not used recently; a use costs only setting one attribute."""

import sys
import threading
from typing import Generic, Protocol, TypeVar


class Entry(Protocol):
    """The reader of an entry sets `used`. `size`, in bytes of memory, never changes."""

    used: bool

    @property
    def size(self) -> int: ...


E = TypeVar("E", bound=Entry)


class SecondChanceCache(Generic[E]):
    """Second chance (CLOCK): evicts the oldest entry; one that was used moves to the young end once instead.

    `find` is the plain `dict.get`; the other methods may be called by several threads. An entry that alone is larger
    than the bound in bytes is not kept.
    """

    __slots__ = ("_bytes", "_capacity", "_entries", "_lock", "_most_bytes", "find")

    def __init__(self, capacity: int, most_bytes: int = sys.maxsize) -> None:
        self._entries: dict[int, E] = {}
        self.find = self._entries.get
        self._capacity, self._most_bytes, self._bytes = capacity, most_bytes, 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: int, entry: E) -> None:
        """Add or replace."""
        with self._lock:
            before = self._entries.get(key)
            self._bytes += entry.size - (0 if before is None else before.size)
            self._entries[key] = entry
            if entry.size > self._most_bytes:
                self._remove(key)
            self._shrink()

    def discard(self, key: int, entry: E) -> None:
        """Remove `entry` unless another one has taken its place."""
        with self._lock:
            if self._entries.get(key) is entry:
                self._remove(key)

    def resize(self, capacity: int, most_bytes: int = sys.maxsize) -> None:
        """Change the bounds at once."""
        with self._lock:
            self._capacity, self._most_bytes = capacity, most_bytes
            self._shrink()

    def values(self) -> list[E]:
        """All entries at this moment."""
        with self._lock:
            return list(self._entries.values())

    def _shrink(self) -> None:
        entries = self._entries
        while len(entries) > self._capacity or self._bytes > self._most_bytes:
            key = next(iter(entries))
            entry = self._remove(key)
            if entry.used:
                entry.used = False
                entries[key] = entry
                self._bytes += entry.size

    def _remove(self, key: int) -> E:
        entry = self._entries.pop(key)
        self._bytes -= entry.size
        return entry
