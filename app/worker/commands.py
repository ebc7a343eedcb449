"""Administrative commands for tasks and mail: they need what a task worker has, and so work in its container too."""

import secrets
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing

from app.config import Settings
from app.errors import BadRequest, ConfigError
from app.mail.delivery import PermanentFailure, TemporaryFailure
from app.mail.messages import Mail
from app.mail.store import SuppressionStore
from app.tasks.administration.service import TaskAdministration
from app.users.email import canonical_email
from app.worker.duties import Parts


def administer_tasks(settings: Settings, act: str, given: Namespace, say: Callable[[str], object]) -> None:
    """List, show, retry or cancel tasks, and say what came of it. Raises NotFound, Conflict, Unavailable."""
    with closing(Parts(settings)) as parts:
        tasks = TaskAdministration(parts.database)
        if act == "list":
            lines = tasks.list(given.state, given.task)
        elif act == "show":
            lines = tasks.show(given.id)
        else:
            lines = iter([tasks.retry(given.id) if act == "retry" else tasks.cancel(given.id)])
        for line in lines:
            say(line)


def send_test_mail(settings: Settings, email: str, language: str) -> str:
    """Send a mail to an address and return what became of it; raises BadRequest, Unavailable or ConfigError."""
    address = _address(email)
    with closing(Parts(settings)) as parts:
        if parts.mail is None:
            raise ConfigError("MAIL_URL: it is not set, so that the service sends no mail")
        try:
            sent = parts.mail.send(Mail(secrets.token_hex(16), "test", address, language, {}))
        except (TemporaryFailure, PermanentFailure) as error:
            raise ConfigError(f"the mail was not sent: {error}") from None
    return f"The mail server has taken a mail to {address}." if sent else f"{address} is on the suppression list."


def set_suppression(settings: Settings, email: str, suppressed: bool) -> str:
    """Put an address on the suppression list, or take it off; raises BadRequest, Unavailable or ConfigError."""
    address = _address(email)
    with closing(Parts(settings)) as parts:
        store = SuppressionStore(parts.database)
        if suppressed:
            store.suppress(address, "by command")
        elif not store.allow(address):
            return f"{address} was not on the suppression list."
    return f"{address} gets {'no mail from now on' if suppressed else 'mail again'}."


def _address(email: str) -> str:
    try:
        return canonical_email(email)
    except ValueError as error:
        raise BadRequest(f"{email} {error}") from None
