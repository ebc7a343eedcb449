"""Fact caches: when PostgreSQL is queried, and how long an entry is kept."""

from functools import partial
from typing import Any

import pytest
from greenlet import GreenletExit

from app.coherence import user_key
from app.coherence.clock import S_IN_NS
from app.coherence.facts.shared import version_of
from app.config import CacheTuning
from app.errors import Unavailable
from tests.unit.coherence.model.rooms import Room


def never(key: Any) -> Any:
    raise AssertionError(f"PostgreSQL is asked for {key}")


def test_loaded_fact_is_not_queried_again(room: Room) -> None:
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    assert room.run(lambda: room.first.users.load(1, never)) == ["1"]
    assert room.count(room.first, "fact_misses:user") == 1
    assert room.count(room.first, "fact_hits:user") == 1


def test_fact_loaded_by_another_worker_is_found_in_the_shared_cache(room: Room) -> None:
    room.run(room.second.leased)
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    assert room.run(lambda: room.second.users.load(1, never)) == ["1"]
    room.world.servers[1].restart()
    assert room.run(lambda: room.second.users.load(1, never)) == ["1"]


def test_a_thousand_simultaneous_misses_make_one_query(room: Room) -> None:
    results = room.run(*[lambda: room.first.users.load(1, room.database.read_user)] * 1000)
    assert results == ["1"] * 1000
    assert room.database.reads == 1 + settling(room)


def settling(room: Room) -> int:
    """A new worker reads the outbox once."""
    return 1 if room.count(room.first, "lease_looks") else 0


def test_a_thousand_misses_of_a_missing_row_make_two_queries(room: Room) -> None:
    """The first query began before the others asked, and the row may have been inserted since."""
    room.run(room.first.leased)
    room.database.live, room.database.reads = False, 0
    assert room.run(*[lambda: room.first.sessions.load(1, room.database.read_session)] * 1000) == [None] * 1000
    assert room.database.reads == 2


def test_a_thousand_misses_without_a_lease_make_two_queries(room: Room) -> None:
    room.log_server.down = True
    room.run(room.first.leased)
    assert room.run(*[lambda: room.first.users.load(1, room.database.read_user)] * 1000) == ["1"] * 1000
    assert room.database.reads == 2


def test_without_a_lease_every_request_queries(room: Room) -> None:
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    room.log_server.down = True
    room.pass_ms(60)
    before = room.database.reads
    for _ in range(3):
        assert room.run(lambda: room.first.users.load(1, room.database.read_user)) == ["1"]
    assert room.database.reads == before + 3
    assert room.run(lambda: room.first.users.get(1)) == [None]


def test_waiting_requests_get_the_error_of_the_query(room: Room) -> None:
    room.run(room.first.leased)
    room.database.down = True
    results = room.run(*[lambda: room.first.users.load(1, room.database.read_user)] * 5)
    assert all(isinstance(result, Unavailable) for result in results)
    room.database.down = False
    assert room.run(lambda: room.first.users.load(1, room.database.read_user)) == ["1"]


def test_killed_leader_leaves_no_request_waiting(room: Room) -> None:
    room.run(room.first.leased)
    leader = room.scheduler.spawn(lambda: room.first.users.load(1, room.database.read_user))
    room.scheduler.step()

    def kill() -> None:
        room.scheduler.pause()
        room.scheduler.tasks.remove(leader)
        leader.body.throw(GreenletExit)

    results = room.run(lambda: room.first.users.load(1, room.database.read_user), kill)
    assert results[0] == "1"
    assert not room.first.users._flights._flights


def test_a_change_makes_the_next_request_read_again(room: Room) -> None:
    room.run(lambda: room.second.users.load(1, room.database.read_user))
    room.run(lambda: room.world.edit_profile(room.first))
    assert room.run(lambda: room.second.users.load(1, room.database.read_user)) == ["2"]
    assert room.run(lambda: room.first.users.load(1, never)) == ["2"]


def test_shared_fact_from_a_newer_position_causes_another_look(room: Room) -> None:
    room.run(room.second.leased)
    room.run(lambda: room.first.final([user_key(2)], None, security=True))
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    room.second._lease.state.start_ns = room.scheduler.now_ns
    before = room.count(room.second, "lease_looks")
    assert room.run(lambda: room.second.users.load(1, never)) == ["1"]
    assert room.run(lambda: room.second.users.load(1, never)) == ["1"]
    assert room.count(room.second, "lease_looks") == before + 1


def test_fact_read_without_a_position_is_not_cached(room: Room) -> None:
    room.run(lambda: room.first.users.put(1, "1", None))
    assert room.run(lambda: room.first.users.get(1)) == [None]


def test_fact_read_with_a_position_is_cached(room: Room) -> None:
    room.run(room.first.leased)
    room.run(lambda: room.first.users.put(1, "1", room.first.position()))
    assert room.run(lambda: room.first.users.load(1, never)) == ["1"]


def test_values_of_several_caches_are_stored_by_one_write(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    memcache, written = room.first._memcache, list[int]()
    store = memcache.set_many

    def counting(items: Any) -> None:
        written.append(len(items))
        store(items)

    monkeypatch.setattr(memcache, "set_many", counting)
    values = (room.first.users, 1, "1"), (room.first.sessions, 8, "8")
    room.run(lambda: room.first.put(None, *values))
    assert room.run(lambda: room.first.users.get(1)) == [None]
    room.run(room.first.leased)
    room.run(lambda: room.first.put(room.first.position(), *values))
    assert written == [2]
    assert room.run(lambda: room.first.users.load(1, never)) == ["1"]
    assert room.run(lambda: room.second.users.load(1, never)) == ["1"]
    assert room.run(lambda: room.second.sessions.load(8, never)) == ["8"]


def test_load_many_reads_misses_in_one_query_and_keeps_the_order(room: Room) -> None:
    asked: list[list[int]] = []

    def read(keys: list[int]) -> dict[int, str]:
        asked.append(keys)
        return {key: str(key) for key in keys if key != 4}

    room.run(room.first.leased)
    room.run(lambda: room.first.users.put(3, "3", room.first.position()))
    calls = count_calls(room)
    (found,) = room.run(lambda: room.first.users.load_many([5, 3, 4, 5, 1], read))
    assert list(found.items()) == [(5, "5"), (3, "3"), (1, "1")]
    assert asked == [[5, 4, 1]]
    assert calls == ["get_many"]
    assert room.run(lambda: room.first.users.load_many([1, 3, 5], never)) == [{1: "1", 3: "3", 5: "5"}]


def count_calls(room: Room) -> list[str]:
    """Reads of the shared cache from now on."""
    calls: list[str] = []
    for name in ("get", "get_many"):
        original = getattr(room.world.servers[1], name)

        def counting(keys: Any, name: str = name, original: Any = original) -> Any:
            calls.append(name)
            return original(keys)

        setattr(room.world.servers[1], name, counting)
    return calls


def test_capacity_is_kept_and_a_lower_one_applies_at_once(room: Room) -> None:
    room.run(room.first.leased)
    for key in range(20):
        room.run(partial(room.first.users.put, key, "x", room.first.position()))
    assert len(room.first.users) == 10
    room.first.users.apply(CacheTuning(3, 3600))
    assert len(room.first.users) == 3


def test_facts_expire_locally_and_in_the_shared_cache(room: Room) -> None:
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    room.pass_ms(3600_001)
    before = room.database.reads
    assert room.run(lambda: room.first.users.load(1, room.database.read_user)) == ["1"]
    assert room.database.reads == before + 1 + settling(room)


def test_shorter_ttl_applies_to_existing_entries(room: Room) -> None:
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    room.first.users.apply(CacheTuning(10, 1))
    room.world.servers[1].restart()
    room.pass_ms(1100)
    before = room.database.reads
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    assert room.database.reads == before + 1


def test_entry_expires_before_the_session_it_describes(room: Room) -> None:
    lasting = room.world.sessions_until(room.scheduler.now_ns / S_IN_NS + 60)
    room.run(lambda: lasting.sessions.load(1, room.database.read_session))
    room.pass_ms(58_900)
    assert room.run(lambda: lasting.sessions.load(1, never)) == ["live"]
    room.pass_ms(200)
    before = room.database.reads
    assert room.run(lambda: lasting.sessions.load(1, room.database.read_session)) == ["live"]
    assert room.database.reads > before


@pytest.mark.parametrize("junk", [b"", b"short", b"\0" * 8 + b"\xff" * 8 + b"\xff\xfe"])
def test_unreadable_shared_entry_is_a_miss(room: Room, junk: bytes) -> None:
    room.run(room.first.leased)
    room.world.servers[1].data[f"fact:user.{version_of(str)}:1"] = junk
    assert room.run(lambda: room.first.users.load(1, room.database.read_user)) == ["1"]


def test_used_fact_stays_valid_after_the_history_drops_old_changes(room: Room) -> None:
    room.run(lambda: room.first.users.load(1, room.database.read_user))
    room.first._lease.state.history.limit = 2
    for number in range(2, 12):
        room.run(partial(room.second.final, [user_key(number)], None, security=True))
        assert room.run(lambda: room.first.users.load(1, never)) == ["1"]
