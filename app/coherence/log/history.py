"""What a worker knows of the change log, and the one rule that decides whether a fact may be used."""

from collections import OrderedDict
from collections.abc import Mapping

from app.coherence.log.replay import Marks
from app.infra.postgres.replica import Place

HISTORY_KEYS = 100_000
NEVER_NS = -(1 << 62)

Position = int


class History:
    """For each key that has changed after `begin` the position of its last change; nothing older is known.

    Safe for threads that read while entries are recorded: they read `changes` first and `begin` last, a key is removed
    from `changes` only after `begin` has reached its position, and each operation on `changes` is atomic.
    """

    __slots__ = ("begin", "changes", "limit", "marks")

    def __init__(self, begin: Position, limit: int = HISTORY_KEYS) -> None:
        self.begin = begin
        self.changes: OrderedDict[str, Position] = OrderedDict()
        self.limit = limit
        self.marks = Marks(begin)

    def record(self, entries: Mapping[Position, str]) -> None:
        """Add changes that are all later than those recorded before."""
        changes = self.changes
        for position in sorted(entries):
            key = entries[position]
            changes[key] = position
            changes.move_to_end(key)
        while len(changes) > self.limit:
            oldest = next(iter(changes))
            self.begin = max(self.begin, changes[oldest])
            del changes[oldest]


class State:
    """The result of one look; the next look replaces the whole object.

    `position` is the last number of the log that `history` includes, `start_ns` the time just before that was asked:
    every change that was published before `start_ns` is known.
    """

    __slots__ = ("history", "position", "start_ns")

    def __init__(self, history: History, position: Position, start_ns: int) -> None:
        self.history, self.position, self.start_ns = history, position, start_ns

    def proves(self, keys: tuple[str, ...], position: Position) -> bool:
        """The rule: true when a fact about `keys` that held at `position` has not been changed up to `self.position`.

        A position above ours comes from a worker that has looked later, or from a counter that was lost since.
        """
        changes = self.history.changes
        for key in keys:
            changed = changes.get(key)
            if changed is not None and changed > position:
                return False
        return self.history.begin <= position <= self.position

    def replayed(self, place: Place) -> Position | None:
        """A position at which what a replica shows held, if it had replayed up to `place` before; None if unknown."""
        position = self.history.marks.position_at(place)
        return None if position is None else min(position, self.position)


def ignorance() -> State:
    """The state before the first look: it proves nothing."""
    return State(History(1), 0, NEVER_NS)
