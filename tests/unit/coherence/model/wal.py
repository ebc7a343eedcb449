"""The simulated WAL of the primary, and replicas that replay it late, restart and follow a promotion."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from app.errors import Unavailable
from app.infra.postgres.replica import FIND_PLACE, FIND_REPLAYED
from tests.unit.coherence.model.scheduler import Scheduler


@dataclass(frozen=True)
class Seen:
    """What a snapshot shows: the rows that the model reads, and the line in the table `wal_line`."""

    live: bool
    version: int
    company_version: int
    posting: str
    line: str = ""


class Wal:
    """One record for each commit, and some without one; the LSN of a record is its number in `records`.

    `commits` is the LSN behind the last commit.
    """

    def __init__(self, present: Callable[[], Seen]) -> None:
        self._present = present
        self.line, self.written = "1", ""
        self.records: list[Seen] = [present()]
        self.commits = 1
        self.before_commit = 0

    def write(self) -> None:
        """A commit, or a change of the line."""
        self.before_commit = len(self.records)
        self.records.append(replace(self._present(), line=self.written))
        self.commits = len(self.records)

    def write_without_commit(self) -> None:
        self.records.append(self.records[-1])

    def promote(self) -> None:
        """A replica that has every commit becomes the primary; WAL behind the last commit is lost."""
        self.records = self.records[: self.commits]
        self.line = str(int(self.line) + 1)

    def ask(self, statement: str, params: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run one of the statements that the primary is asked for its place by."""
        if statement == FIND_PLACE:
            return self.line, self.written, len(self.records)
        if params[0] == self.line:
            self.written = self.line
            self.write()
        return ()


class SimReplica:
    """Stands for the `Database` of a replica; its transactions end when it restarts."""

    def __init__(self, scheduler: Scheduler, wal: Wal) -> None:
        self._scheduler, self._wal = scheduler, wal
        self._records = wal.records
        self._durable = self._replayed = len(wal.records)
        self._starts = 0
        self.down = False

    def replay(self, records: int = 1) -> None:
        """Replay some records; on the line of a former primary until `follow`."""
        self._replayed = min(self._replayed + records, len(self._records))

    def catch_up(self) -> None:
        self.follow()
        self.replay(len(self._records))

    def write_down(self) -> None:
        """What is replayed so far survives a restart."""
        self._durable = self._replayed

    def restart(self) -> None:
        self._starts += 1
        self._replayed = self._durable

    def follow(self) -> None:
        """Follow the present primary; what was replayed of a line behind its end is taken back, as by pg_rewind."""
        if self._records is not self._wal.records:
            own, others = self._records[: self._replayed], self._wal.records
            same = next((n for n, (a, b) in enumerate(zip(own, others, strict=False)) if a is not b), len(others))
            self._records = self._wal.records
            self._replayed = min(self._replayed, same)
            self._durable = min(self._durable, self._replayed)
            self._starts += 1

    @contextmanager
    def transaction(self) -> Iterator["SimReading"]:
        yield SimReading(self, self._starts)

    def see(self, start: int, statement: str) -> tuple[Any, ...]:
        """One statement of a transaction that began after the start of this number."""
        self._scheduler.pause()
        if self.down or start != self._starts:
            raise Unavailable("the replica has restarted")
        seen = self._records[self._replayed - 1]
        answer = (True, seen.line, str(self._replayed)) if statement == FIND_REPLAYED else (seen,)
        self._scheduler.pause()
        return answer


class SimReading:
    """A transaction on a replica: each statement sees what is replayed when it begins."""

    def __init__(self, replica: SimReplica, start: int) -> None:
        self._replica, self._start = replica, start

    def one(self, statement: str, *params: Any) -> tuple[Any, ...]:
        return self._replica.see(self._start, statement)

    def all(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        return [self.one(statement)]
