"""Makes the objects of mail from the settings, for the service and for its workers."""

from collections.abc import Callable
from contextlib import suppress

from app.auth.links.duties import post
from app.auth.links.letters import Letters
from app.auth.links.store import LinkStore
from app.auth.links.tokens import LinkTokens
from app.config import Settings
from app.errors import RateLimited
from app.infra.postgres.database import Database
from app.infra.tuning.live_tuning import LiveTuning
from app.mail.delivery import delivery_of
from app.mail.server import mail_target, sender_address
from app.mail.service import MailService, Take
from app.mail.store import SuppressionStore
from app.web.limits import Key, RateLimiter

_ALL: Key = ("service", "mail")


def letters_of(settings: Settings, database: Database) -> Letters:
    """Writes mails about accounts, which workers send."""
    tokens = LinkTokens(settings.pepper.encode())
    return Letters(LinkStore(database), tokens, settings.account_pages_url, post if settings.mail_url else None)


def mail_service(
    settings: Settings, database: Database, limiter: RateLimiter, tuning: LiveTuning, letters: Letters
) -> MailService | None:
    """Sends mails; None without MAIL_URL. Raises ConfigError."""
    if (target := mail_target(settings)) is None:
        return None
    delivery, sender = delivery_of(target, settings.mail_timeout), sender_address(settings.mail_from)
    take = rate_of(limiter, lambda: tuning.current.limits.mails)
    return MailService(delivery, sender, SuppressionStore(database), take, letters.url_of)


def rate_of(limiter: RateLimiter, limit: Callable[[], int]) -> Take:
    """Counts mails up to `limit()` a minute; a tenth of them, but never the only one, is not for alerts."""

    def take(alert: bool) -> None:
        most = limit()
        reserved = -(-most // 10) if most > 1 else 0
        if alert or not reserved:
            limiter.take("mails", _ALL, most - reserved)
            return
        with suppress(RateLimited):
            limiter.take("mails", _ALL, most - reserved)
            return
        limiter.take("reserved_mails", _ALL, reserved)

    return take
