"""Makes the objects of mail from the settings, for the service and for its workers."""

from collections.abc import Callable

from app.auth.links.duties import post
from app.auth.links.letters import Letters
from app.auth.links.store import LinkStore
from app.auth.links.tokens import LinkTokens
from app.config import Settings
from app.infra.postgres.database import Database
from app.infra.tuning.live_tuning import LiveTuning
from app.mail.delivery import delivery_of
from app.mail.server import mail_target, sender_address
from app.mail.service import MailService
from app.mail.store import SuppressionStore
from app.web.limits import RateLimiter


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
    return MailService(delivery, sender, SuppressionStore(database), _counting(limiter, tuning), letters.url_of)


def _counting(limiter: RateLimiter, tuning: LiveTuning) -> Callable[[], object]:
    return lambda: limiter.take("mails", ("service", "mail"), tuning.current.limits.mails)
