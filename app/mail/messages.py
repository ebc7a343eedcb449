"""Messages of RFC 5322, composed so that no value can add a header or a recipient."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy, default
from email.utils import format_datetime
from typing import Any

from msgspec import Struct

from app.mail.server import one_address
from app.mail.texts import Kind, Rendered, Section


class _Whole:
    """A header whose URL is not divided: the standard library would encode what is longer than a line."""

    max_count = 1
    parse = UnstructuredHeader.parse
    value_parser = UnstructuredHeader.value_parser

    def fold(self, *, policy: "Policy[Any]") -> str:
        """RFC 5322, 2.1.1 allows 998 characters."""
        return f"{self.name}: {self}{policy.linesep}"  # type: ignore[attr-defined]


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Whole)  # type: ignore[arg-type]
_POLICY = default.clone(header_factory=_HEADERS)


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


@dataclass(frozen=True, slots=True)
class Listed:
    """What a mail has that an account has asked for until further notice.

    `at` is its date, so that a repetition is the same. `one_click` is the URL of RFC 8058, and `stop` the page for
    people that ends such mails.
    """

    at: datetime
    stop: str
    one_click: str
    sections: Sequence[Section]


def message_id(key: str, sender: Address) -> str:
    """The Message-ID of the mail named `key`."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.domain}>"


def compose(mail: Mail, rendered: Rendered, sender: Address, listed: Listed | None = None) -> EmailMessage:
    """The message with its headers; raises ValueError if `mail.to` is not exactly one address in ASCII."""
    at = datetime.now(UTC) if listed is None else listed.at
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = one_address(mail.to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id(mail.key, sender)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers, please
    if listed is not None:
        message["List-Unsubscribe"] = f"<{listed.one_click}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(rendered.text, cte=_encoding(rendered.text))
    message.add_alternative(rendered.html, subtype="html", cte=_encoding(rendered.html))
    message.set_boundary(f"={message_id(mail.key, sender)[1:33]}=")  # the same in a repetition
    return message


def _encoding(text: str) -> str:
    """Readable as it is where possible; RFC 5322, 2.1.1 allows lines of 998 characters."""
    return "7bit" if text.isascii() and max(map(len, text.splitlines()), default=0) < 998 else "quoted-printable"
