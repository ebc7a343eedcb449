"""Writes are published before they are answered; the answer says if a write could not be published."""

from typing import Any
from unittest.mock import patch

import pytest

from app.coherence import Coherence, session_key, user_key
from app.coherence.log.change_log import REACH
from app.coherence.log.lease import LEASE_MAX_MS
from app.coherence.publisher import DRAIN_EVERY_S, LEFT_OVER_S, SLACK_MS
from app.coherence.store import Outbox
from app.errors import NotFinal
from tests.counters import Counts
from tests.unit.coherence.model.rooms import Room
from tests.unit.coherence.model.world import KINDS, SMALL, Nowhere


def commit(room: Room, key: str) -> str:
    (xid,) = room.run(lambda: room.database.commit(lambda: None, key))
    return str(xid)


def test_write_waits_for_all_leases_and_deletes_its_outbox_row(room: Room) -> None:
    xid = commit(room, session_key(1))
    began_ms = room.now_ms
    assert room.run(lambda: room.first.final([session_key(1)], xid, security=True)) == [None]
    assert room.now_ms - began_ms >= 50 * 1.09 / 0.91
    assert not room.database.outbox


def test_concurrent_writes_share_one_wait(room: Room) -> None:
    began_ms = room.now_ms
    room.run(*[lambda: room.first.final([session_key(1)], None, security=True)] * 50)
    assert room.now_ms - began_ms < 110


def test_a_security_write_that_cannot_be_published_is_not_final(room: Room) -> None:
    xid = commit(room, session_key(1))
    room.log_server.down = True
    began_ms = room.now_ms
    (result,) = room.run(lambda: room.first.final([session_key(1)], xid, security=True))
    assert isinstance(result, NotFinal)
    assert 8000 <= room.now_ms - began_ms < 9000
    assert room.database.outbox


def test_write_retries_during_a_short_outage(room: Room) -> None:
    room.log_server.down = True

    def recover() -> None:
        room.scheduler.sleep(5)
        room.log_server.down = False

    assert room.run(lambda: room.first.final([session_key(1)], None, security=True), recover) == [None, None]


def test_security_write_retries_while_the_database_has_no_connection_to_spare(room: Room) -> None:
    """The change is committed and published; only the deletion of its outbox row fails for some seconds."""
    xid = commit(room, session_key(1))
    room.run(room.first.leased)

    def lose_the_database() -> None:
        room.database.down = True
        room.scheduler.sleep(5)
        room.database.down = False

    began_ms = room.now_ms
    assert room.run(lambda: room.first.final([session_key(1)], xid, security=True), lose_the_database) == [None, None]
    assert 5000 <= room.now_ms - began_ms < 6000
    assert not room.database.outbox


def test_security_write_that_the_database_does_not_confirm_is_not_final(room: Room) -> None:
    xid = commit(room, session_key(1))
    room.run(room.first.leased)
    room.database.down = True
    began_ms = room.now_ms
    (result,) = room.run(lambda: room.first.final([session_key(1)], xid, security=True))
    assert isinstance(result, NotFinal)
    assert 8000 <= room.now_ms - began_ms < 9000
    assert room.database.outbox


def test_other_write_is_answered_at_once_when_its_outbox_row_cannot_be_deleted(room: Room) -> None:
    xid = commit(room, user_key(1))
    room.run(room.first.leased)
    room.database.down = True
    began_ms = room.now_ms
    assert room.run(lambda: room.first.final([user_key(1)], xid, security=False)) == [None]
    assert room.now_ms - began_ms < 100
    assert room.database.outbox


def test_retry_reuses_the_number_that_was_taken(room: Room) -> None:
    """A new number for each retry would leave a gap for every reader."""
    room.run(room.second.leased)
    before = room.second.position()
    assert before is not None
    room.log_server.fate = iter(["answered", *["lost"] * 3, *["answered"] * 50]).__next__
    room.run(lambda: room.first.final([user_key(1)], None, security=True))
    room.run(room.second.leased)
    assert room.second.position() == before + 1
    assert room.count(room.second, "histories_started") == 1


def test_unpublished_edit_is_known_to_leases_after_the_outage(room: Room) -> None:
    assert stale_after_outage(room) == "2"


def test_without_the_outbox_an_unpublished_edit_stays_unknown(room: Room) -> None:
    with patch.object(Outbox, "older_than", lambda self, seconds, limit, counter: []):
        assert stale_after_outage(room) == "1"


def stale_after_outage(room: Room) -> Any:
    room.run(lambda: room.second.users.load(1, room.database.read_user))
    room.log_server.down = True
    assert room.run(lambda: room.world.edit_profile(room.first)) == [None]
    assert room.database.outbox
    room.log_server.down = False
    return room.run(lambda: room.second.users.load(1, room.database.read_user))[0]


def test_any_worker_drains_old_rows_of_a_killed_writer(room: Room) -> None:
    room.run(lambda: room.second.users.load(1, room.database.read_user))
    position = room.second.position()
    assert position is not None
    commit(room, user_key(1))
    room.run(room.first.drain)
    assert room.database.outbox
    room.pass_ms(LEFT_OVER_S * 1000 + 1)
    room.run(room.first.drain)
    assert not room.database.outbox
    room.run(room.second.leased)
    assert not room.second.usable((user_key(1),), position)
    assert room.count(room.first, "outbox_drained") == 1


def test_outbox_rows_are_drained_in_time() -> None:
    """Changes by SQL must be known within 5 s; the other 1.5 s are for slow ticks, queries and publications."""
    assert LEFT_OVER_S + DRAIN_EVERY_S + (LEASE_MAX_MS + SLACK_MS) / 1000 <= 3.5


def test_long_outbox_is_published_as_one_jump_of_the_counter(room: Room) -> None:
    room.run(room.second.leased)
    position = room.second.position()
    assert position is not None
    for number in range(101):
        commit(room, user_key(number))
    room.pass_ms(LEFT_OVER_S * 1000 + 1)
    room.run(room.first.drain)
    assert not room.database.outbox
    assert not any(name.startswith("e:") for name in room.log_server.data)
    room.run(room.second.leased)
    assert room.second.position() == position + REACH + 1
    assert not room.second.usable((user_key(5000),), position)


def test_all_keys_of_a_write_are_published_in_one_exchange_for_each_step(room: Room) -> None:
    keys = [user_key(number) for number in range(100)]
    room.run(room.second.leased)
    position = room.second.position()
    assert position is not None
    fates = iter(["answered"] * 10)
    room.log_server.fate = fates.__next__
    assert room.run(lambda: room.first.final(keys, None, security=True)) == [None]
    assert len(list(fates)) == 10 - 3, "one for the numbers, two for the halves of the entries"
    room.log_server.fate = lambda: "answered"
    room.run(room.second.leased)
    assert room.second.position() == position + 100
    assert not any(room.second.usable((key,), position) for key in keys)
    assert room.second.usable((user_key(101),), position)


def test_a_write_of_very_many_keys_is_published_as_a_change_of_everything(room: Room) -> None:
    room.run(room.second.leased)
    position = room.second.position()
    assert position is not None
    assert room.run(lambda: room.first.final([*map(user_key, range(101))], None, security=True)) == [None]
    room.run(room.second.leased)
    assert not any(room.second.usable((user_key(number),), position) for number in (0, 100, 5000))


def test_entries_stored_in_part_are_stored_again(room: Room) -> None:
    room.run(room.second.leased)
    position = room.second.position()
    room.log_server.fate = iter(["answered", "answered", "lost", *["answered"] * 50]).__next__
    assert room.run(lambda: room.first.final([user_key(1), user_key(2)], None, security=True)) == [None]
    assert room.run(room.second.leased) == [True]
    assert room.second.position() == (position or 0) + 2
    assert room.count(room.second, "histories_started") == 1


def test_draining_does_nothing_while_servers_are_down(room: Room) -> None:
    commit(room, user_key(1))
    room.pass_ms(LEFT_OVER_S * 1000 + 1)
    room.log_server.down = True
    assert room.run(room.first.drain) == [None]
    room.database.down = True
    assert room.run(room.first.drain) == [None]
    assert room.database.outbox


def test_draining_keeps_the_history_of_an_idle_worker(room: Room) -> None:
    for _ in range(5):
        room.pass_ms(2000)
        room.run(room.first.drain)
    assert room.count(room.first, "histories_started") == 1
    assert room.run(room.first.leased) == [True]


@pytest.mark.parametrize("servers", [(0, 1), ()], ids=["memcached", "none"])
def test_security_write_waits_while_the_log_is_being_changed(room: Room, servers: tuple[int, ...]) -> None:
    """No log is used meanwhile, but a realtime process sends for 50 ms after it has found a session live."""
    room.run(room.first.leased)
    room.run(lambda: room.world.change_log(room.world.servers[1].name))
    writer = room.world.start_worker(servers=servers)
    xid = commit(room, session_key(1))
    began_ms = room.now_ms
    assert room.run(lambda: writer.final([session_key(1)], xid, security=True)) == [None]
    assert writer.agreement.changing
    assert room.now_ms - began_ms >= 50 * 1.09 / 0.91
    assert not room.database.outbox


def test_without_memcached_there_are_no_leases_and_writes_are_final_at_commit(room: Room) -> None:
    memcache, counters = Nowhere(), Counts()
    database: Any = room.database
    alone = Coherence(memcache, database, counters, SMALL, KINDS, room.scheduler.clock(1.0))  # type: ignore[arg-type]
    xid = commit(room, session_key(1))
    began_ms = room.now_ms
    assert room.run(lambda: alone.final([session_key(1)], xid, security=True)) == [None]
    assert room.now_ms == began_ms
    assert not room.database.outbox
    assert room.run(alone.leased, alone.position, alone.drain) == [False, None, None]
    assert room.run(lambda: alone.users.load(1, room.database.read_user)) == ["1"]
    assert not counters.get("lease_failures")
