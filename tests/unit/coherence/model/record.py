"""The simulated `change_log` row, which names the log of the database; nothing can confirm it while it changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from app.coherence.log import store as log_record
from tests.unit.coherence.model.scheduler import Scheduler

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Columns:
    """The columns of the table `change_log`; times are of the simulated clock."""

    identity: str | None = None
    following: str | None = None
    counter: str = "ticket"
    since_ns: int = 0
    seen_ns: dict[str, int] = field(default_factory=dict)


class SimRecord:
    """`columns` is the committed row. A change completes after 1/1000 of the real time; no rule relies on it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.columns = Columns()
        self._locked = False
        self._counters = 0

    def ask(self, statement: str, params: Row) -> Row:
        """Run one statement of `log_record` outside of a transaction."""
        if statement == log_record.CONFIRM:
            self.wait()
            return self._row(self.columns)
        if statement == log_record.FIND_COUNTER:
            return (self.columns.counter,)
        self.wait()
        if statement == log_record.RECORD:
            if self.columns.identity is None:
                self.columns = replace(self.columns, identity=params[0])
        elif statement == log_record.NOTE_USE:
            if self.columns.following not in (None, params[0]):
                seen_ns = {**self.columns.seen_ns, params[0]: self._scheduler.now_ns}
                self.columns = replace(self.columns, seen_ns=seen_ns)
        else:
            assert statement == log_record.COMPLETE_CHANGE
            self._complete(*params[:2])
        return ()

    @contextmanager
    def transaction(self) -> Iterator["SimChange"]:
        """Other statements wait until it ends; an exception rolls it back."""
        self.wait()
        self._locked = True
        try:
            change = SimChange(self, self._row, self.columns)
            yield change
            self._scheduler.pause()
            self.columns = change.columns
        finally:
            self._locked = False

    def wait(self) -> None:
        """Wait until no transaction holds the row."""
        while self._locked:
            self._scheduler.sleep(0.001)

    def new_counter(self) -> str:
        self._counters += 1
        return f"ticket-{self._counters}"

    def begun(self, columns: Columns, following: str, after_s: float) -> Columns:
        since_ns = self._scheduler.now_ns + int(after_s * 1e9)
        return replace(columns, following=following, counter=self.new_counter(), since_ns=since_ns, seen_ns={})

    def _complete(self, own: str, quiet_s: float) -> None:
        columns, then_ns = self.columns, self._scheduler.now_ns - int(quiet_s * 1e6)
        quiet = columns.since_ns < then_ns and all(at < then_ns for at in columns.seen_ns.values())
        if columns.following == own and quiet:
            self.columns = Columns(own, None, self.new_counter(), self._scheduler.now_ns)

    def _row(self, columns: Columns) -> Row:
        in_force = columns.since_ns <= self._scheduler.now_ns
        return columns.identity, columns.following, columns.counter, in_force


class SimChange:
    """A transaction that changes the row."""

    def __init__(self, record: SimRecord, row: Callable[[Columns], Row], columns: Columns) -> None:
        self._record, self._row, self.columns = record, row, columns

    def one(self, statement: str) -> Row:
        assert statement == log_record.LOCK
        return self._row(self.columns)

    def run(self, statement: str, *params: Any) -> None:
        if statement == log_record.RECORD:
            self.columns = replace(self.columns, identity=params[0])
        else:
            assert statement == log_record.BEGIN_CHANGE
            self.columns = self._record.begun(self.columns, *params)
