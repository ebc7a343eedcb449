"""Tasks of mails: sending one, and looking for the account that a recovery is asked for."""

import logging
from typing import Any

import msgspec

from app.auth.links.letters import Letters
from app.auth.readers import store as readers
from app.infra.postgres.database import Database, Transaction
from app.mail import delivery
from app.mail.messages import Mail
from app.mail.service import MailService
from app.tasks.queue import enqueue
from app.tasks.task import Arguments, Duty, PermanentFailure, Task

log = logging.getLogger(__name__)

LINKS_FIRST = 20
"""The priority of mails with a link, which somebody waits for."""
SEND = Task("mail.send", timeout_s=180.0, priority=10)
RECOVER = Task("accounts.recover", priority=LINKS_FIRST)


def post(transaction: Transaction, mail: Mail, account: int | None = None) -> None:
    """Have a worker send the mail once the transaction has committed, unless the account that it is about is gone.

    Without `account` it is about the one that has the address now.
    """
    account = readers.find_id(transaction, mail.to) if account is None else account
    enqueue(transaction, SEND, _arguments(mail, account), priority=_priority(mail))


def ask_recovery(transaction: Transaction, email: str) -> None:
    """Have a worker look for the account at an address: the request itself does the same without one."""
    enqueue(transaction, RECOVER, {"email": email}, unique_key=email)


class MailDuties:
    """What a worker does for mails; a worker without mail knows none of these tasks."""

    def __init__(self, database: Database, letters: Letters, mail: MailService) -> None:
        self._database, self._letters, self._mail = database, letters, mail

    def duties(self) -> list[Duty]:
        return [Duty(SEND, self._send), Duty(RECOVER, self._recover)]

    def _send(self, mail: dict[str, Any], account: int | None = None) -> None:
        """Send the mail; one that an earlier version has enqueued names no account."""
        if account is not None and not readers.exists(self._database, account):
            log.info("no mail: its account is deleted", extra={"kind": mail.get("kind")})
            return
        try:
            self._send_or_wait(msgspec.convert(mail, Mail), account)
        except (delivery.PermanentFailure, msgspec.ValidationError) as error:
            raise PermanentFailure(str(error)) from None

    def _send_or_wait(self, mail: Mail, account: int | None) -> None:
        try:
            self._mail.send(mail)
        except delivery.TemporaryFailure as failure:
            if failure.retry_after is None:
                raise
            self._wait(mail, account, failure.retry_after)

    def _wait(self, mail: Mail, account: int | None, seconds: int) -> None:
        """Try later without counting it as a failure, unless the account is deleted meanwhile."""
        args, delay_s = _arguments(mail, account), float(seconds)
        with self._database.transaction() as transaction:
            if account is None or readers.stays(transaction, account):
                enqueue(transaction, SEND, args, unique_key=mail.key, delay_s=delay_s, priority=_priority(mail))

    def _recover(self, email: str) -> None:
        with self._database.transaction() as transaction:
            reader = readers.find_at(transaction, email)
            if reader is not None:
                self._letters.send_link(transaction, "recover", reader)


def _arguments(mail: Mail, account: int | None) -> Arguments:
    """What the task keeps; the database deletes it with the account."""
    return {"mail": msgspec.to_builtins(mail)} | ({} if account is None else {"account": account})


def _priority(mail: Mail) -> int:
    return SEND.priority if mail.link is None else LINKS_FIRST
