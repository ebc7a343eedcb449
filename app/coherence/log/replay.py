"""Up to which position of the log a replica shows every change: positions are marked with places in the WAL.

A change is published with a place in the primary's WAL that was asked for after its commit, so that a replica that has
replayed up to that place shows the change. Numbers of the log are not in the order of commits: the mark of a position
is the greatest place of all changes up to it. Where a change came without a place, and where a history begins, an
anchor closes the gap: the primary was asked after a look had reached the position, hence after the commit of all
changes up to it.
"""

from bisect import bisect_right
from collections.abc import Mapping
from operator import itemgetter

from app.infra.postgres.replica import Place

Position = int
Mark = tuple[int, Position]
MARKS_MOST = 8192
_lsn_of = itemgetter(0)


class Marks:
    """What a history knows of places. Calls that change it must not overlap; `position_at` may be called meanwhile."""

    __slots__ = ("_known", "_last", "_run", "_run_begin", "_run_line", "_waits")

    def __init__(self, begin: Position) -> None:
        self._known: tuple[str, list[Mark]] = ("", [])
        """The line of the primary, and marks in ascending order of both numbers."""
        self._last = begin
        self._waits = True
        self._run: list[Mark] = []
        self._run_begin, self._run_line = begin, ""

    @property
    def wanting(self) -> bool:
        """Whether an anchor is needed before newer positions can be marked."""
        return self._waits

    @property
    def line(self) -> str:
        """The line of the marks; empty without any."""
        return self._known[0]

    def follow(self, last: Position, places: Mapping[Position, Place], changes: int) -> None:
        """The log was followed to `last`, over so many `changes`; `places` has those that came with one."""
        before, self._last = self._last, last
        lines = {place.line for place in places.values()}
        if len(places) < changes or len(lines) != 1:
            self._begin_run(last)
            return
        line, lsn = lines.pop(), max(place.lsn for place in places.values())
        if not self._waits and line != self._known[0]:
            self._begin_run(before)
        if self._waits:
            if self._run_line not in ("", line):
                self._begin_run(before)
            self._run_line = line
            self._run.append((_highest(self._run, lsn), last))
        else:
            marks = self._known[1]
            marks.append((_highest(marks, lsn), last))
            self._trim()

    def anchor(self, position: Position, place: Place) -> None:
        """The primary was at `place` when it was asked after a look that had reached `position`."""
        line, marks = self._known
        if not self._waits:
            if line == place.line or position < self._last:
                return
            self._begin_run(position)
        if position < self._run_begin:
            return
        if self._run_line not in ("", place.line):
            if position < self._last:
                return
            self._run.clear()
        older = [mark for mark in marks if mark[0] < place.lsn and mark[1] < position] if line == place.line else []
        later = [(max(lsn, place.lsn), reached) for lsn, reached in self._run if reached > position]
        self._known = place.line, [*older, (place.lsn, position), *later]
        self._waits = False
        self._trim()

    def position_at(self, place: Place) -> Position | None:
        """The greatest known position such that a replica at `place` shows every change up to it."""
        line, marks = self._known
        if place.line != line:
            return None
        found = bisect_right(marks, place.lsn, key=_lsn_of)
        return marks[found - 1][1] if found else None

    def _begin_run(self, begin: Position) -> None:
        """From `begin` on, changes and their places are known, but not all places of those up to it."""
        self._waits, self._run = True, []
        self._run_begin, self._run_line = begin, ""

    def _trim(self) -> None:
        line, marks = self._known
        if len(marks) > MARKS_MOST:
            self._known = line, marks[MARKS_MOST // 2 :]


def _highest(marks: list[Mark], lsn: int) -> int:
    return max(lsn, marks[-1][0]) if marks else lsn
