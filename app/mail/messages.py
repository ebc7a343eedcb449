"""Messages of RFC 5322, composed so that no value can add a header or a recipient."""

import hashlib
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from msgspec import Struct

from app.mail.server import one_address
from app.mail.texts import Kind, Rendered


class Mail(Struct, frozen=True, forbid_unknown_fields=True):
    """One mail to one address.

    `key` names it: two mails with one key are the same mail. `values` fill the texts of `kind`. `link` is the id of the
    link that the mail brings: the link itself is a secret and is made only when the mail is sent.
    """

    key: str
    kind: Kind
    to: str
    language: str
    values: dict[str, str]
    link: int | None = None


def message_id(key: str, sender: Address) -> str:
    """The Message-ID of the mail named `key`."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.domain}>"


def compose(mail: Mail, rendered: Rendered, sender: Address) -> EmailMessage:
    """The message with its headers; raises ValueError if `mail.to` is not exactly one address in ASCII."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = one_address(mail.to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id(mail.key, sender)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers, please
    message.set_content(rendered.text, cte=_encoding(rendered.text))
    message.add_alternative(rendered.html, subtype="html", cte=_encoding(rendered.html))
    return message


def _encoding(text: str) -> str:
    """Readable as it is where possible; RFC 5322, 2.1.1 allows lines of 998 characters."""
    return "7bit" if text.isascii() and max(map(len, text.splitlines()), default=0) < 998 else "quoted-printable"
