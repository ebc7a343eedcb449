"""The record of the change log in PostgreSQL: which process may use the log, drain the outbox and change the log."""

import threading
from collections.abc import Iterator

import pytest

from app.coherence import user_key
from app.coherence.log.agreement import LOG_KEY, Agreement
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.store import NO_LOG, LogRecord
from app.coherence.replace_log import replace_log
from app.coherence.store import Outbox
from app.config import DatabaseTuning
from app.errors import Unavailable, WrongLog
from app.infra.memcache.client import Server
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from tests.conftest import LocalDatabase

TUNING = DatabaseTuning(pool_min=1, pool_max=4)
RESET = "UPDATE change_log SET identity = NULL, following = NULL, counter = 'ticket', since = now(), seen = '{}'"
OLD_ROW = "INSERT INTO outbox (key, created_at) VALUES (%s, now() - interval '1 minute')"


@pytest.fixture
def postgresql(database: LocalDatabase) -> Iterator[Database]:
    made = Database(database.url, TUNING)
    yield made
    made.run("DELETE FROM outbox")
    made.run(RESET)
    made.close()


def agreement(database: Database, own: str, server: Memcached | None = None) -> Agreement:
    log = ChangeLog(Server(server.address, 0.5)) if server else None
    return Agreement(own, log, LogRecord(database))


def open_log(address: str) -> ChangeLog:
    return ChangeLog(Server(address, 0.5))


def audited(database: Database) -> list[str]:
    return [row[0] for row in database.all("SELECT event FROM audit_log WHERE event LIKE %s ORDER BY id", "log_%")]


def test_first_process_records_its_log_and_others_are_refused(postgresql: Database) -> None:
    assert LogRecord(postgresql).shown() == "not recorded yet"
    assert agreement(postgresql, "a:1").ask().counter == "ticket"
    other = agreement(postgresql, NO_LOG)
    with pytest.raises(WrongLog, match=r"has the log of changes none .* used with a:1; .* log-identity none"):
        other.ask()
    with pytest.raises(WrongLog):
        other.require()
    assert other.refused
    assert LogRecord(postgresql).shown() == "a:1"


def test_process_is_accepted_once_the_record_names_its_log(postgresql: Database) -> None:
    first, other = agreement(postgresql, "a:1"), agreement(postgresql, NO_LOG)
    before = first.ask()
    with pytest.raises(WrongLog):
        other.renew()
    LogRecord(postgresql).replace(NO_LOG)
    assert other.renew().counter != before.counter
    assert not other.reason
    with pytest.raises(WrongLog):
        first.renew()


def test_outbox_is_read_and_deleted_only_with_the_current_counter(postgresql: Database) -> None:
    terms = agreement(postgresql, "a:1").ask()
    postgresql.run(OLD_ROW, user_key(1))
    outbox = Outbox(postgresql)
    ((row, key),) = outbox.older_than(3, 10, terms.counter)
    assert key == user_key(1)
    assert outbox.older_than(3, 10, "ticket-of-before") == []
    assert not outbox.delete([row], "ticket-of-before")
    LogRecord(postgresql).replace(NO_LOG)
    assert not outbox.delete([row], terms.counter), "rows read before the change are not deleted after it"
    assert outbox.older_than(3, 10, terms.counter) == []
    present = agreement(postgresql, NO_LOG).ask().counter
    assert [each for each, _ in outbox.older_than(3, 10, present)] == [row]
    assert outbox.delete([row], present)
    assert outbox.delete([row], present), "deleting missing rows succeeds"
    assert outbox.older_than(3, 10, present) == []


def test_agreement_waits_while_the_log_is_being_changed(postgresql: Database) -> None:
    holder = agreement(postgresql, "a:1")
    holder.ask()
    found: list[bool] = []

    def ask() -> None:
        found.append(holder.ask().changing)

    asking = threading.Thread(target=ask)
    with LogRecord(postgresql).changing() as change:
        change.begin("b:1", 0.0)
        asking.start()
        asking.join(0.3)
        assert not found
    asking.join()
    assert found == [True]


def test_log_change_is_announced_and_completes_once_former_users_are_gone(
    postgresql: Database, memcached: tuple[Memcached, ...]
) -> None:
    former = agreement(postgresql, memcached[0].address, memcached[0])
    used = former.ask().log
    assert used is not None
    position = used.take(1)
    said = replace_log(LogRecord(postgresql), memcached[1].address, open_log)
    assert said.startswith(f"the log of changes: {memcached[0].address}, and {memcached[1].address} once")
    assert used.entries(position, position + 1) == {position + 1: LOG_KEY}

    following = agreement(postgresql, memcached[1].address, memcached[1])
    for each in (former, following, former):
        assert (each.renew().log, each.changing) == (None, True)
    postgresql.run("UPDATE change_log SET since = since - interval '1 minute'")
    following.renew()
    assert following.renew().changing, "the former log was seen just now"
    postgresql.run("UPDATE change_log SET seen = jsonb_build_object(%s::text, now() - interval '1 minute')", "a")
    following.renew()
    assert following.renew().log is not None
    with pytest.raises(WrongLog):
        former.renew()
    assert audited(postgresql)[-2:] == ["log_change_begun", "log_changed"]


def test_unreachable_former_log_refuses_the_change(postgresql: Database) -> None:
    nowhere = "unix:/nowhere/memcached.sock"
    holder = agreement(postgresql, nowhere)
    holder.ask()
    with pytest.raises(Unavailable, match=r"cannot be told.*--lost"):
        replace_log(LogRecord(postgresql), NO_LOG, open_log)
    assert LogRecord(postgresql).shown() == nowhere
    assert holder.ask().counter == "ticket"

    replace_log(LogRecord(postgresql), NO_LOG, open_log, lost=True)
    assert LogRecord(postgresql).shown() == f"{nowhere}, being changed to none"
    with pytest.raises(WrongLog, match="in force in some seconds"):
        holder.renew()
    postgresql.run("UPDATE change_log SET since = now()")
    assert holder.renew().changing


def test_log_change_can_be_reverted(postgresql: Database) -> None:
    holder = agreement(postgresql, NO_LOG)
    before = holder.ask()
    replace_log(LogRecord(postgresql), "b:1", open_log)
    replace_log(LogRecord(postgresql), NO_LOG, open_log)
    assert replace_log(LogRecord(postgresql), NO_LOG, open_log).endswith("none already, once the change is complete")
    postgresql.run("UPDATE change_log SET since = since - interval '1 minute'")
    holder.renew()
    after = holder.renew()
    assert not after.changing
    assert after.counter != before.counter


def test_schema_without_the_record_asks_for_migrations(postgresql: Database) -> None:
    postgresql.run("ALTER TABLE change_log RENAME TO elsewhere")
    try:
        with pytest.raises(Unavailable, match="run the migrations"):
            agreement(postgresql, "a:1").ask()
    finally:
        postgresql.run("ALTER TABLE elsewhere RENAME TO change_log")
