"""The change feed: a consumer that dies and resumes ends with what is open, whatever the order of commits.

CHANGES_HELD_S is for how many seconds a transaction stays open meanwhile.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg2
import pytest

from app.config import DatabaseTuning
from app.errors import Conflict, Invalid, PreconditionFailed, Unavailable
from app.events.service import EventLog, Resync
from app.events.store import EventStore
from app.feeds.board import change_feed
from app.feeds.changes import ChangeFeed
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.schemas import JobPatch, NewJob, Place
from app.jobs.upkeep.service import Upkeep
from app.local.postgres import Postgres
from tests.conftest import LocalDatabase
from tests.integration.imports.office import Office, line, office_at
from tests.sql import ask

WRITERS, ROUNDS = 8, 12
HELD_S = float(os.environ.get("CHANGES_HELD_S", "0.5"))
TRUTH = "SELECT id, version FROM posting WHERE state = 'open' AND valid_through > now()"
HOLD = "UPDATE companies SET version = version + 1 WHERE slug = 'held'"
END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
ENDS = ("closed", "expired")


@pytest.fixture(scope="module")
def office(database: LocalDatabase) -> Iterator[Office]:
    """Through PgBouncer."""
    with office_at(database.url, direct=False) as made:
        made.database.run("INSERT INTO companies (slug, name) VALUES ('held', 'Held')")
        EventLog(EventStore(made.database)).renew()
        yield made


@pytest.fixture(scope="module")
def feed(office: Office) -> ChangeFeed:
    return change_feed(EventLog(EventStore(office.database)), office.board.exports, b"x" * 32)


@dataclass
class Consumer:
    """Follows the feed; what it holds is stored with the cursor, so that it may die at any moment."""

    feed: ChangeFeed
    cursor: str | None = None
    held: dict[int, int] = field(default_factory=dict)
    versions: dict[int, tuple[int, bool]] = field(default_factory=dict)
    applied: list[tuple[int, int, bool]] = field(default_factory=list)

    def read(self, limit: int = 50, dies: bool = False) -> bool:
        """Apply a page, or half of it without its cursor; whether there is more."""
        page = self.feed.page(self.cursor, limit)
        changes = [msgspec.json.decode(each) for each in page.changes]
        for each in changes[: len(changes) // 2] if dies else changes:
            self._apply(each)
        if not dies:
            self.cursor = page.next
        return page.more

    def catch_up(self) -> None:
        while self.read():
            pass

    def _apply(self, change: dict[str, Any]) -> None:
        number, version, ends = change["id"], change["version"], change["event"] in ENDS
        if "company" in change or (version, ends) <= self.versions.get(number, (0, False)):
            return
        self.versions[number] = version, ends
        self.applied.append((number, version, ends))
        if ends:
            assert change["company_id"] > 0
            assert [place["country"] for place in change["places"]] == change["countries"]
            self.held.pop(number, None)
        else:
            assert change["job"]["version"] == version
            self.held[number] = version


def write(office: Office, chance: random.Random, own: list[int], number: int) -> None:
    """One of the things that change postings."""
    jobs, user = office.board.jobs, office.user
    kind = chance.randrange(5)
    if kind == 0 or not own:
        new = NewJob(f"Nurse {number}", "<p>You care.</p>", language="en", places=(Place("DE"),))
        own.append(jobs.create(office.company, user, new)[0].posting.id)
    elif kind == 1:
        jobs.change(chance.choice(own), user, JobPatch(title=f"Cook {chance.randrange(999)}"), None)
    elif kind == 2:
        jobs.change(chance.choice(own), user, JobPatch(state=chance.choice(["open", "closed"])), None)
    elif kind == 3:
        raws = [line(chance.randrange(40), title=f"Guard {chance.randrange(3)}") for _ in range(10)]
        office.send(*raws)
    else:
        Upkeep(office.database, office, shipped_rates()).expire()


@dataclass
class Writers:
    """Threads that each make ROUNDS changes; one that fails for an outage is repeated."""

    office: Office
    rounds: int = 0
    failed: list[BaseException] = field(default_factory=list)

    def write(self, seed: int) -> None:
        chance, own, number = random.Random(seed), list[int](), 0
        while number < ROUNDS and not self.failed:
            try:
                write(self.office, chance, own, seed * 1000 + number)
            except Unavailable:
                continue
            except (Conflict, PreconditionFailed, Invalid):
                pass
            except BaseException as error:
                self.failed.append(error)
            number += 1
            self.rounds += 1


@contextmanager
def held(database: LocalDatabase) -> Iterator[None]:
    """A transaction that has written and stays open; it may be gone at the end."""
    holding = psycopg2.connect(database.direct_url)
    try:
        with holding.cursor() as cursor:
            cursor.execute(HOLD)
        yield
        with suppress(psycopg2.OperationalError):
            holding.commit()
    finally:
        holding.close()


@pytest.fixture
def guarded(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL; started again at the end."""
    yield postgres
    if postgres.process is None or not postgres.process.alive:
        postgres.start()


def at_once(*tasks: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=task) for task in tasks]
    for each in threads:
        each.start()
    return threads


def test_consumer_that_dies_and_resumes_ends_with_the_catalogue(
    office: Office, feed: ChangeFeed, database: LocalDatabase, guarded: Postgres
) -> None:  # fmt: skip
    """Also while a transaction stays open for HELD_S seconds, and after a restart of PostgreSQL."""
    chance, consumer, written = random.Random(1), Consumer(feed), Writers(office)
    threads = at_once(*((lambda seed=seed: written.write(seed)) for seed in range(WRITERS)))

    def follow_until(done: Callable[[], bool]) -> None:
        while not done() and not written.failed:
            with suppress(Unavailable):
                consumer.read(chance.choice([1, 7, 50]), dies=chance.random() < 0.3)

    with held(database):
        until = time.monotonic() + HELD_S
        follow_until(lambda: written.rounds >= WRITERS * ROUNDS // 3 and time.monotonic() >= until)
    with held(database):
        follow_until(lambda: written.rounds >= WRITERS * ROUNDS // 2)
        guarded.stop()
        guarded.start()
    while any(each.is_alive() for each in threads):
        seen = written.rounds
        with held(database):
            follow_until(lambda: written.rounds > seen + WRITERS or not any(each.is_alive() for each in threads))
    assert written.failed == []
    consumer.catch_up()
    assert consumer.held == dict(office.database.all(TRUTH))
    assert len(consumer.applied) == len(set(consumer.applied))
    newcomer = Consumer(feed)
    newcomer.catch_up()
    assert newcomer.held == consumer.held


def test_expired_postings_are_reported(office: Office, feed: ChangeFeed) -> None:
    consumer = Consumer(feed)
    made = office.send(line(501))[0].id
    consumer.catch_up()
    assert made in consumer.held
    office.database.run("UPDATE posting SET valid_through = now() - interval '1 s' WHERE id = %s", made)
    Upkeep(office.database, office, shipped_rates()).expire()
    consumer.catch_up()
    assert made not in consumer.held
    assert consumer.applied[-1][2]


def test_waiting_ends_with_the_next_change(office: Office, feed: ChangeFeed) -> None:
    consumer = Consumer(feed)
    consumer.catch_up()
    found: list[int] = []
    [waiting] = at_once(lambda: found.append(len(feed.page(consumer.cursor, 10, 20).changes)))
    office.send(line(601))
    waiting.join()
    assert found == [1]


def test_more_waiting_requests_than_allowed_are_answered_at_once(
    office: Office, feed: ChangeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("app.feeds.polling.WAITING_MAX_IN_THREADS", 0)
    consumer = Consumer(feed)
    consumer.catch_up()
    assert feed.page(consumer.cursor, 10, 25).changes == []
    assert feed._tail.waiting == 0


def test_forged_cursor_is_refused(feed: ChangeFeed) -> None:
    for cursor in ("a", "AAAA", Consumer(feed).feed.page(None, 1).next[:-2] + "zz"):
        with pytest.raises(Invalid):
            feed.page(cursor, 10)


def test_cursor_is_refused_after_a_restore_of_an_older_dump(
    database: LocalDatabase, office: Office, feed: ChangeFeed, postgres: Postgres
) -> None:  # fmt: skip
    office.send(line(701))
    consumer = Consumer(feed)
    consumer.catch_up()
    ask(database.direct_url, END_OTHERS, (database.name,))
    copy = Database(postgres.create_database("older", template=database.name), DatabaseTuning(), prepared=False)
    try:
        restored = change_feed(EventLog(EventStore(copy)), office.board.exports, b"x" * 32)
        with pytest.raises(Resync):
            restored.page(consumer.cursor, 10)
    finally:
        copy.close()
        postgres.drop_database("older")
