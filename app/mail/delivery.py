"""Delivery of one message: by SMTP, or as a file for development."""

import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from app.mail.server import SmtpServer

_WIRE = SMTP.clone(cte_type="7bit")
_PERMANENT = 500
_UNKNOWN_MAILBOX = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")


class TemporaryFailure(Exception):
    """The mail may be sent later; `retry_after` is in seconds, None if the caller chooses."""

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PermanentFailure(Exception):
    """The server will never take this mail; `unknown_mailbox` says that there is no such address."""

    def __init__(self, reason: str, *, unknown_mailbox: bool = False) -> None:
        super().__init__(reason)
        self.unknown_mailbox = unknown_mailbox


class Delivery(Protocol):
    """Takes a message for one recipient."""

    def deliver(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Return once the message is taken; raises TemporaryFailure or PermanentFailure."""


class Folder:
    """Writes each message to a file named by its Message-ID, so that a repetition replaces it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, message: EmailMessage, sender: str, recipient: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{recipient}-{sha256(message['Message-ID'].encode()).hexdigest()[:12]}.eml"
        new = path.with_suffix(".new")
        new.write_bytes(message.as_bytes(policy=_WIRE.clone(linesep="\n")))
        new.rename(path)


class Smtp:
    """One connection for each mail. `timeout_s` limits each wait for the server, `total_s` the whole dialogue."""

    def __init__(self, server: SmtpServer, timeout_s: float, total_s: float) -> None:
        self._server, self._timeout_s, self._total_s = server, timeout_s, total_s

    def deliver(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Until the sender is given, every refusal is temporary: it is about the server, not about this mail."""
        with _failures("the mail server does not answer"):
            context = ssl.create_default_context(cafile=self._server.ca_file)
            client = _Client(self._server, context, self._timeout_s)
            with client.ends_within(self._total_s):
                self._send(client, message, sender, recipient)

    def _send(self, client: "_Client", message: EmailMessage, sender: str, recipient: str) -> None:
        client.greet()
        _step("MAIL", lambda: client.mail(sender))
        _step("RCPT", lambda: client.rcpt(recipient))
        _step("DATA", lambda: client.data(message.as_bytes(policy=_WIRE)))
        with suppress(OSError, smtplib.SMTPException):  # the mail is taken already
            client.quit()


class _Client(smtplib.SMTP):
    """smtplib's client, with implicit TLS as an option, and an end to the whole dialogue."""

    def __init__(self, server: SmtpServer, context: ssl.SSLContext, timeout_s: float) -> None:
        super().__init__(timeout=timeout_s)
        self._server, self._tls = server, context
        self._host = server.host  # whose certificate STARTTLS checks
        self._line: socket.socket | None = None

    def greet(self) -> None:
        """Connect, encrypt and authenticate; raises SMTPException or OSError."""
        server = self._server
        code, text = self.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        self.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            self.starttls(context=self._tls)
            self.ehlo_or_helo_if_needed()
        if server.user:
            self.login(server.user, server.password)

    @contextmanager
    def ends_within(self, seconds: float) -> Iterator[None]:
        """Shut the connection down after `seconds`: a server that sends a byte now and then never times out."""
        timer = threading.Timer(seconds, self._cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self.close()
            if self._line is not None:
                self._line.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = socket.create_connection((host, port), timeout)
        self._line = raw.dup()  # the same connection, whichever object does the TLS handshake
        return self._tls.wrap_socket(raw, server_hostname=host) if self._server.tls == "implicit" else raw

    def _cut(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


def _step(name: str, command: Callable[[], tuple[int, bytes]]) -> None:
    """Raises PermanentFailure for a refusal with 5xx, TemporaryFailure for other ones."""
    try:
        code, text = command()
    except smtplib.SMTPDataError as error:
        code, text = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
    if 200 <= code < 300:
        return
    said = text.decode("ascii", "replace")
    reason = f"the mail server answered {code} to {name}: {said[:200]}"
    if code < _PERMANENT:
        raise TemporaryFailure(reason)
    raise PermanentFailure(reason, unknown_mailbox=name == "RCPT" and said.split(" ", 1)[0] in _UNKNOWN_MAILBOX)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Failures of the connection as TemporaryFailure; texts of the server may hold no secret, ours never do."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("ascii", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise TemporaryFailure(f"the mail server refused with {error.smtp_code}: {said[:200]}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise TemporaryFailure(f"{what}: {type(error).__name__} {error}"[:300]) from None


def delivery_of(target: SmtpServer | Path, timeout_s: float) -> Delivery:
    """How mail reaches `target`."""
    if isinstance(target, SmtpServer):
        return Smtp(target, timeout_s, 3 * timeout_s)
    return Folder(Path(os.path.abspath(target)))  # noqa: PTH100 the folder need not exist yet
