"""Mutations that each break one rule of the protocol, and three changes that break none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from app.coherence import catalogue_key, job_key, publisher
from app.coherence.facts.fact_cache import FactCache
from app.coherence.log import change_log as log
from app.coherence.log import lease, look
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.history import History, State
from app.coherence.log.lease import Lease
from app.coherence.log.look import Finding
from app.coherence.publisher import Publisher
from tests.unit.coherence.model import world
from tests.unit.coherence.model.world import World


def positions_do_not_matter() -> Any:
    return patch.object(State, "proves", lambda self, keys, position: True)


def later_positions_are_believed() -> Any:
    def proves(self: State, keys: tuple[str, ...], position: int) -> bool:
        changes = self.history.changes
        return all(changes.get(key, 0) <= position for key in keys) and self.history.begin <= position

    return patch.object(State, "proves", proves)


def history_has_no_beginning() -> Any:
    def proves(self: State, keys: tuple[str, ...], position: int) -> bool:
        return all(self.history.changes.get(key, 0) <= position for key in keys) and position <= self.position

    return patch.object(State, "proves", proves)


def changes_are_not_named() -> Any:
    return patch.object(State, "proves", lambda self, keys, at: self.history.begin <= at <= self.position)


def lease_starts_before_the_entries_are_read() -> Any:
    def early(change_log: ChangeLog, seen: State, clock: Any) -> Finding:
        start_ns = clock.now_ns()
        if change_log.last() is not None:
            seen.start_ns = max(start_ns, seen.start_ns)
        return look.look(change_log, seen, clock)

    return patch.object(lease, "look", early)


def missing_entries_are_skipped() -> Any:
    def entries(change_log: ChangeLog, after: int, last: int, clock: Any) -> dict[int, str] | None:
        return change_log.entries(after, last) if 0 <= last - after <= log.REACH else None

    return patch.object(look, "_entries", entries)


def position_is_taken_after_the_read() -> Any:
    def read_first(self: FactCache[Any], key: int, read: Callable[[int], Any]) -> tuple[Any, Any]:
        value = read(key)
        return self._lease.position(), value

    return patch.object(FactCache, "_read", read_first)


def any_flight_may_be_joined() -> Any:
    return patch.object(FactCache, "_proven", lambda self, key, flight: flight.value is not None)


def writes_do_not_wait_for_leases() -> Any:
    return patch.object(Publisher, "_wait", lambda self: None)


def clocks_run_alike() -> Any:
    """Slack that is enough only if clock rates differ by less than 5 %."""
    return patch.object(publisher, "SLACK_MS", 5)


def a_miss_grants_a_lease() -> Any:
    def granting(change_log: ChangeLog, seen: State, clock: Any) -> Finding:
        start_ns = clock.now_ns()
        last = change_log.last()
        if last is not None:
            return Finding(last, look._entries(change_log, seen.position, last, clock), start_ns)
        change_log.begin_era()
        return Finding(seen.position, {}, start_ns)

    return patch.object(lease, "look", granting)


def no_look_is_needed() -> Any:
    def current(self: Lease) -> State | None:
        return self.state if self.state.position else self._since(self._now_ns())

    return patch.object(Lease, "current", current)


@contextmanager
def an_earlier_look_replaces_a_later_one() -> Iterator[None]:
    """Looks overlap, and each of them installs what it has found."""

    def board(self: Lease) -> tuple[Any, bool]:
        return self._clock.signal(), True

    def install(self: Lease, seen: State, found: Finding) -> None:
        history = History(found.last) if found.entries is None else seen.history
        history.record(found.entries or {})
        self.state = State(history, found.last, found.start_ns)

    with patch.object(Lease, "_board", board), patch.object(Lease, "_install", install):
        yield


def looks_overlap() -> Any:
    """Breaks no rule: it is enough to install a result in one step, and never over a newer one."""
    return patch.object(Lease, "_board", lambda self: (self._clock.signal(), True))


def a_lost_counter_begins_again() -> Any:
    return patch.object(World, "_begin_era", lambda self, bits: 1000)


def dropped_changes_do_not_move_the_beginning() -> Any:
    def record(self: History, entries: dict[int, str]) -> None:
        for position in sorted(entries):
            self.changes[entries[position]] = position
            self.changes.move_to_end(entries[position])
        while len(self.changes) > 1:
            self.changes.popitem(last=False)

    return patch.object(History, "record", record)


def a_short_history() -> Any:
    """Breaks no rule: a short history only costs more queries."""
    record = History.record

    def bounded(self: History, entries: dict[int, str]) -> None:
        self.limit = 1
        record(self, entries)

    return patch.object(History, "record", bounded)


def one_number_is_taken_for_all_keys() -> Any:
    return patch.object(ChangeLog, "take", lambda self, numbers: self._advance(1))


def results_rest_on_another_country() -> Any:
    return patch.object(world, "RESULT_KEYS", (catalogue_key("FR"),))


def a_posting_does_not_publish_its_country() -> Any:
    return patch.object(world, "POSTING_KEYS", (catalogue_key(), job_key(1)))


def a_posting_does_not_publish_itself() -> Any:
    return patch.object(world, "POSTING_KEYS", (catalogue_key(), catalogue_key("DE")))


def entries_are_not_written() -> Any:
    """Breaks no rule: every reader finds a gap and starts a new history."""
    return patch.object(ChangeLog, "enter", lambda self, first, keys, place=None: None)
