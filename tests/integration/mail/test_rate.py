"""Mails beyond `limits.mails`: they wait without failing, and alerts leave room for all other mails."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.alerts.digests import duties as alerts
from app.applications.notices.tasks import TELL_CANDIDATE, TELL_COMPANY
from app.auth.links.duties import RECOVER, SEND, MailDuties, ask_recovery, post
from app.auth.links.letters import Letters
from app.auth.links.store import LinkStore
from app.auth.links.tokens import LinkTokens
from app.auth.mailing import rate_of
from app.config import DatabaseTuning
from app.infra.memcache.client import Memcache
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.process import becomes_true
from app.mail.delivery import Smtp, TemporaryFailure
from app.mail.messages import Listed, Mail
from app.mail.server import SmtpServer as Target
from app.mail.server import sender_address
from app.mail.service import MailService
from app.mail.store import SuppressionStore
from app.tasks.queue import enqueue
from app.tasks.store import QueueStore
from app.web.limits import RateLimiter
from tests.conftest import LocalDatabase
from tests.integration.tasks.workers import TaskWorker
from tests.smtp import SmtpServer

SENDER = sender_address("Jobs <no-reply@jobs.example>")
WORKER = (sys.executable, "-m", "app", "worker")
STATES = """
SELECT count(*) FILTER (WHERE status = 'doing' OR scheduled_at <= now()), count(*),
       COALESCE(max(attempts), 0), (SELECT count(*) FROM task_failure)
  FROM procrastinate_jobs WHERE task_name = 'mail.send'
"""
RELEASE = "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"


def mail(key: str, link: int | None = None) -> Mail:
    return Mail(key, "test", "ada@example.com", "en", {}, link)


def alert() -> Listed:
    return Listed(datetime.now(UTC), "https://a/stop", "https://a/one-click", ())


@pytest.fixture
def queue(database: LocalDatabase) -> Iterator[Database]:
    found = Database(database.url, DatabaseTuning(), prepared=False)
    yield found
    found.run("DELETE FROM procrastinate_jobs")
    found.close()


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def test_mails_beyond_the_rate_wait_without_failing(
    database: LocalDatabase, queue: Database, pgbouncer: PgBouncer, server: SmtpServer, tmp_path: Path
) -> None:
    tuning = tmp_path / "tuning.json"
    tuning.write_text(json.dumps({"limits": {"mails": 1}}))
    with Memcached() as cache:
        variables = {
            "DATABASE_URL": database.url,
            "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
            "MEMCACHED_SERVERS": cache.address,
            "TUNING_FILE": str(tuning),
            "MAIL_URL": server.url,
            "MAIL_FROM": str(SENDER),
            "ACCOUNT_PAGES_URL": "https://jobs.example/account",
        }
        keys = [f"mail {number}" for number in range(4)]
        with queue.transaction() as transaction:
            for key in keys:
                post(transaction, mail(key))
        with TaskWorker(tmp_path, variables, WORKER):
            server.wait_for(1)
            assert becomes_true(lambda: states(queue)[0] == 0 and states(queue)[1] > 0, 30.0), states(queue)
            assert states(queue)[2:] == (0, 0)
            tuning.write_text(json.dumps({"limits": {"mails": 0}}))
            assert becomes_true(lambda: queue.run(RELEASE) == states(queue)[1] == 0, 30.0), states(queue)
    assert len({each["Message-ID"] for each in server.plan.received}) == len(server.plan.received) == len(keys)


def states(queue: Database) -> tuple[int, ...]:
    """(mails that are sent or due, all that are left, most failed attempts of one, reasons of failures)."""
    return tuple(queue.one(STATES) or ())


def test_alerts_leave_room_for_other_mails(database: LocalDatabase, queue: Database, server: SmtpServer) -> None:
    with Memcached() as cache:
        workers = [sending(queue, server, cache) for _ in range(2)]
        outcomes = [sent(workers[number % 2], mail(f"digest {number}"), alert()) for number in range(12)]
        assert outcomes == [True] * 9 + [False] * 3
        assert sent(workers[0], mail("link 1", 1))
        assert not sent(workers[1], mail("link 2", 2))
    assert len(server.plan.received) == 10


def sending(queue: Database, server: SmtpServer, cache: Memcached) -> MailService:
    """One worker's service of mail; 10 mails a minute, in a minute that does not end."""
    limiter = RateLimiter(Memcache((cache.address,), 250), lambda: 6000.0)
    delivery = Smtp(Target("localhost", server.port, "none"), 5.0, 15.0)
    suppressions = SuppressionStore(queue)
    return MailService(delivery, SENDER, suppressions, rate_of(limiter, lambda: 10), lambda link: f"https://a/{link}")


def sent(service: MailService, letter: Mail, listed: Listed | None = None) -> bool:
    try:
        return service.send(letter, listed)
    except TemporaryFailure as failure:
        assert failure.retry_after
        return False


def test_links_start_first_then_other_mails_then_alerts(queue: Database) -> None:
    with queue.transaction() as transaction:
        for digest in range(2):
            enqueue(transaction, alerts.SEND, {"digest": digest})
        enqueue(transaction, TELL_COMPANY, {"job": 1})
        enqueue(transaction, TELL_CANDIDATE, {"step": 1})
        post(transaction, mail("notice"))
        ask_recovery(transaction, "ada@example.com")
        post(transaction, mail("link", 1))
    assert [task.name for task in taken(queue)] == [
        RECOVER.name, SEND.name, TELL_COMPANY.name, TELL_CANDIDATE.name, SEND.name, alerts.SEND.name, alerts.SEND.name,
    ]  # fmt: skip


def test_waiting_mail_keeps_its_turn(queue: Database, server: SmtpServer) -> None:
    with Memcached() as cache:
        service = sending(queue, server, cache)
        while sent(service, mail("notice")):
            pass
        letters = Letters(LinkStore(queue), LinkTokens(b"p" * 32), "", post)
        handlers = {each.task: each.handler for each in MailDuties(queue, letters, service).duties()}
        with queue.transaction() as transaction:
            post(transaction, mail("notice"))
            post(transaction, mail("link", 1))
        first = [task.args for task in taken(queue)]
        for args in first:
            handlers[SEND](**args)
        queue.run("DELETE FROM procrastinate_jobs WHERE status = 'doing'")
        assert queue.run(RELEASE) == 2
        assert [task.args for task in taken(queue)] == first
        assert [args["mail"]["key"] for args in first] == ["link", "notice"]


def taken(queue: Database) -> list[Any]:
    """All tasks that are due, in the order in which a worker gets them."""
    store = QueueStore(queue)
    names, worker = [each.name for each in (SEND, RECOVER, TELL_CANDIDATE, TELL_COMPANY, alerts.SEND)], store.register()
    found = []
    while (task := store.fetch(names, worker)) is not None:
        found.append(task)
    return found
