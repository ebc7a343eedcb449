"""What a worker does for digests besides making them: sends each, and forgets old ones."""

import logging
import threading

from app.alerts.digests import store
from app.alerts.digests.content import DigestMails
from app.alerts.digests.store import DigestStore
from app.errors import Unavailable
from app.infra.postgres.database import Database
from app.mail import delivery
from app.mail.service import MailService
from app.tasks.queue import enqueue
from app.tasks.task import Duty, PermanentFailure, Retries, Task

log = logging.getLogger(__name__)

SEND = Task("alerts.send", Retries(most=80), timeout_s=180.0)
"""Retried for about three days."""

DIGESTS_DAYS = 90
MARK_TRIES, MARK_WAIT_S = 40, 0.5


class DigestDuties:
    """A mail that was handed over is marked; until then it is sent again, with the same Message-ID and content."""

    def __init__(self, database: Database, mails: DigestMails, mail: MailService) -> None:
        self._store, self._mails, self._mail = DigestStore(database), mails, mail
        self._transaction = database.transaction

    def duties(self) -> list[Duty]:
        return [
            Duty(SEND, self.send),
            Duty(Task("alerts.forget_digests", Retries(2)), self.forget, cron="47 * * * *"),
        ]

    def send(self, digest: int) -> None:
        """Send a digest unless that is done, or it is no longer wanted."""
        found = self._store.find_letter(digest)
        if found is None:
            return
        letter, objection = found
        if objection:
            self._store.drop(digest, objection)
            return
        mail, listed = self._mails.of(letter)
        try:
            sent = self._mail.send(mail, listed)
        except delivery.TemporaryFailure as failure:
            if failure.retry_after is None:
                raise
            self._wait(digest, failure.retry_after)
            return
        except delivery.PermanentFailure as failure:
            self._store.drop(digest, str(failure)[:300])
            raise PermanentFailure(str(failure)) from None
        if sent:
            self._mark(digest)
        else:
            self._store.drop(digest, "the address gets no mail")

    def forget(self) -> None:
        """Remove old digests, each transaction some, so that none holds back the readers of events."""
        done = 1
        while done:
            with self._transaction() as transaction:
                done = store.delete_old(transaction, DIGESTS_DAYS)

    def _wait(self, digest: int, seconds: int) -> None:
        """Try later without counting it as a failure: other mails go first."""
        with self._transaction() as transaction:
            enqueue(transaction, SEND, {"digest": digest}, unique_key=str(digest), delay_s=float(seconds))

    def _mark(self, digest: int) -> None:
        """Note that the mail was taken, also if the database is away for some seconds."""
        for _ in range(MARK_TRIES):
            try:
                return self._store.mark_sent(digest)
            except Unavailable:
                threading.Event().wait(MARK_WAIT_S)
        return self._store.mark_sent(digest)
