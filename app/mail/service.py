"""Sending of one mail: suppression list, rate, texts, delivery."""

import logging
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Protocol

from app.errors import RateLimited
from app.mail.delivery import Delivery, PermanentFailure, TemporaryFailure
from app.mail.messages import Listed, Mail, compose
from app.mail.texts import render

log = logging.getLogger(__name__)

LinkOf = Callable[[int], str | None]
"""The URL of a link by its id; None if it is used, expired or gone, and so not worth a mail."""
Take = Callable[[bool], object]
"""Counts one mail, given whether it is an alert; raises RateLimited beyond the rate."""


class Suppressions(Protocol):
    """The list of addresses that get no mail."""

    def find(self, address: str) -> str | None: ...
    def suppress(self, address: str, reason: str) -> None: ...


class MailService:
    """Sends mails one by one; it keeps none back."""

    def __init__(
        self, delivery: Delivery, sender: Address, suppressions: Suppressions, take: Take, link_of: LinkOf
    ) -> None:  # fmt: skip
        self._delivery, self._sender, self._suppressions = delivery, sender, suppressions
        self._take, self._link_of = take, link_of

    def send(self, mail: Mail, listed: Listed | None = None) -> bool:
        """Whether it was sent: not to a suppressed address, and not with a link that no longer works.

        Raises TemporaryFailure (try again) or PermanentFailure (never try again).
        """
        if (reason := self._suppressions.find(mail.to)) is not None:
            log.info("no mail to a suppressed address", extra={"kind": mail.kind, "reason": reason})
            return False
        link = listed.stop if listed else "" if mail.link is None else self._link_of(mail.link)
        if link is None:
            log.info("no mail: its link no longer works", extra={"kind": mail.kind})
            return False
        try:
            sections = listed.sections if listed else ()
            rendered = render(mail.kind, mail.language, mail.values, link, sections)
            message = compose(mail, rendered, self._sender, listed)
        except ValueError as error:
            raise PermanentFailure(f"the mail cannot be composed: {error}") from None
        self._deliver(message, mail, alert=listed is not None)
        return True

    def _deliver(self, message: EmailMessage, mail: Mail, *, alert: bool) -> None:
        try:
            self._take(alert)
        except RateLimited as error:
            raise TemporaryFailure("the rate of mails is reached", error.resets_in) from None
        try:
            self._delivery.deliver(message, self._sender.addr_spec, mail.to)
        except PermanentFailure as error:
            if error.unknown_mailbox:
                self._suppressions.suppress(mail.to, str(error))
            raise
