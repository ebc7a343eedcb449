"""Tasks of mails: sending one, and looking for the account that a recovery is asked for."""

from typing import Any

import msgspec

from app.auth.links.letters import Letters
from app.auth.readers import store as readers
from app.infra.postgres.database import Database, Transaction
from app.mail import delivery
from app.mail.messages import Mail
from app.mail.service import MailService
from app.tasks.queue import enqueue
from app.tasks.task import Duty, PermanentFailure, Task

SEND = Task("mail.send", timeout_s=180.0)
RECOVER = Task("accounts.recover")


def post(transaction: Transaction, mail: Mail) -> None:
    """Have a worker send the mail once the transaction has committed."""
    enqueue(transaction, SEND, {"mail": msgspec.to_builtins(mail)})


def ask_recovery(transaction: Transaction, email: str) -> None:
    """Have a worker look for the account at an address: the request itself does the same without one."""
    enqueue(transaction, RECOVER, {"email": email}, unique_key=email)


class MailDuties:
    """What a worker does for mails; a worker without mail knows none of these tasks."""

    def __init__(self, database: Database, letters: Letters, mail: MailService) -> None:
        self._database, self._letters, self._mail = database, letters, mail

    def duties(self) -> list[Duty]:
        return [Duty(SEND, self._send), Duty(RECOVER, self._recover)]

    def _send(self, mail: dict[str, Any]) -> None:
        try:
            self._mail.send(msgspec.convert(mail, Mail))
        except (delivery.PermanentFailure, msgspec.ValidationError) as error:
            raise PermanentFailure(str(error)) from None

    def _recover(self, email: str) -> None:
        with self._database.transaction() as transaction:
            reader = readers.find_at(transaction, email)
            if reader is not None:
                self._letters.send_link(transaction, "recover", reader)
