"""A bounded list of names in shared memory, such as those of operations that clients choose."""

import fcntl
import mmap
import os
import threading
from collections.abc import Sequence

_BYTES = 64
"""Of a name, with the zeros that follow it."""


class SharedNames:
    """Created in the master before it forks; all workers give a name the same number.

    The first numbers are those of `fixed`, and `others` more names get one; what comes later has the number of "other".
    """

    def __init__(self, fixed: Sequence[str], others: int) -> None:
        self._other = fixed.index("other")
        self._length = len(fixed) + others
        self._file = os.memfd_create("names", os.MFD_CLOEXEC)
        os.ftruncate(self._file, _BYTES * self._length)
        self._table = mmap.mmap(self._file, _BYTES * self._length)
        self._known: dict[str, int] = {}
        self._threads = threading.Lock()
        for name in fixed:
            self._add(name)

    def __len__(self) -> int:
        return self._length

    def number(self, name: str) -> int:
        """The number of the name, or of "other" if there is no room for it; the name is in ASCII."""
        found = self._known.get(name)
        return self._add(name) if found is None else found

    def all(self) -> list[str]:
        """The names by their numbers; an empty one is not used yet."""
        return [self._at(number) for number in range(self._length)]

    def _at(self, number: int) -> str:
        return self._table[_BYTES * number : _BYTES * (number + 1)].rstrip(b"\0").decode("ascii")

    def _add(self, name: str) -> int:
        if self._full() or not 0 < len(name) < _BYTES:
            return self._other
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                self._known = {known: number for number, known in enumerate(self.all()) if known}
                if name not in self._known and not self._full():
                    place = _BYTES * len(self._known)
                    self._table[place : place + _BYTES] = name.encode("ascii").ljust(_BYTES, b"\0")
                    self._known[name] = len(self._known)
                return self._known.get(name, self._other)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _full(self) -> bool:
        return len(self._known) == self._length
