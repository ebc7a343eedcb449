"""Mails about an account that is deleted: those that wait or are being sent are gone, and none is sent afterwards."""

from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from app.auth.links.duties import SEND, MailDuties, post
from app.auth.links.letters import Letters
from app.auth.links.store import LinkStore
from app.auth.links.tokens import LinkTokens
from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.mail.delivery import TemporaryFailure
from app.mail.messages import Mail
from app.mail.server import sender_address
from app.mail.service import MailService
from app.mail.store import SuppressionStore
from app.tasks.store import QueueStore, Taken
from tests.conftest import LocalDatabase

INSERT = "INSERT INTO users (email, password_hash, name) VALUES (%s, '', 'a') RETURNING id"
ADDRESS, FORMER = "erased@example.com", "former@example.com"
LEFT = "SELECT args FROM procrastinate_jobs"


class Office:
    """A queue with one worker; what it sends goes to `sent`, after `meanwhile`."""

    def __init__(self, queue: Database) -> None:
        self.queue, self.store = queue, QueueStore(queue)
        self.worker = self.store.register()
        self.sent: list[str] = []
        self.meanwhile: Callable[[], object] = list
        letters = Letters(LinkStore(queue), LinkTokens(b"p" * 32), "", post)
        service = MailService(self, sender_address("a@b.example"), SuppressionStore(queue), lambda _: None, str)
        (self.handler,) = (each.handler for each in MailDuties(queue, letters, service).duties() if each.task is SEND)

    def deliver(self, message: EmailMessage, sender: str, recipient: str) -> None:
        self.meanwhile()
        self.sent.append(recipient)

    def post(self, *account: int) -> None:
        with self.queue.transaction() as transaction:
            post(transaction, Mail("k", "test", FORMER if account else ADDRESS, "en", {}), *account)

    def take(self) -> Taken:
        task = self.store.fetch([SEND.name], self.worker)
        assert task is not None
        return task

    def delete(self) -> None:
        assert self.queue.run("DELETE FROM users WHERE email = %s", ADDRESS) == 1

    def left(self) -> list[tuple[Any, ...]]:
        return self.queue.all(LEFT)


@pytest.fixture
def office(database: LocalDatabase) -> Iterator[Office]:
    queue = Database(database.url, DatabaseTuning(), prepared=False)
    yield Office(queue)
    queue.run("DELETE FROM procrastinate_jobs")
    queue.run("DELETE FROM users WHERE email = %s", ADDRESS)
    queue.close()


@pytest.fixture
def account(office: Office) -> int:
    (number,) = office.queue.all(INSERT, ADDRESS)[0]
    return int(number)


@pytest.mark.parametrize("retried", [True, False])
def test_mail_that_was_being_sent_is_neither_repeated_nor_kept(office: Office, account: int, retried: bool) -> None:
    office.post(account)
    task, reason = office.take(), f"{FORMER} is refused"
    office.delete()
    assert office.left() == []
    if retried:
        assert not office.store.retry(task.id, office.worker, reason, 5.0)
    else:
        assert not office.store.fail(task.id, office.worker, reason, "failed")
    assert office.left() == office.queue.all("SELECT * FROM task_failure") == []


def test_mail_beyond_the_rate_does_not_wait_for_a_deleted_account(office: Office, account: int) -> None:
    office.post(account)
    task = office.take()

    def delete_and_refuse() -> None:
        office.delete()
        raise TemporaryFailure("the rate of mails is reached", 9)

    office.meanwhile = delete_and_refuse
    office.handler(**task.args)
    assert office.left() == []


def test_mail_that_was_posted_during_the_deletion_is_not_sent(office: Office, account: int) -> None:
    office.delete()
    office.post(account)
    office.handler(**office.take().args)
    assert office.sent == []


def test_mail_that_names_no_account_is_about_the_one_at_its_address(office: Office, account: int) -> None:
    office.post()
    assert [args["account"] for (args,) in office.left()] == [account]
    office.handler(**office.take().args)
    assert office.sent == [ADDRESS]


def test_mail_of_the_previous_version_is_sent(office: Office) -> None:
    office.post()
    task = office.take()
    assert set(task.args) == {"mail"}
    office.handler(**task.args)
    assert office.sent == [ADDRESS]
