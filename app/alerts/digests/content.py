"""What a digest says, as it is stored and as it is mailed."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from app.alerts.unsubscribing import UnsubscribeTokens
from app.config import Settings
from app.jobs.links import links_of
from app.mail.messages import Listed, Mail
from app.mail.texts import Section


class Item(Struct, frozen=True):
    """A posting; `place` is empty if it has none."""

    id: int
    title: str
    company: str
    place: str


class Part(Struct, frozen=True):
    """What one search newly matches: `total` postings, of which `items` are told."""

    search: int
    name: str
    total: int
    items: list[Item]


class Content(Struct, frozen=True):
    """All that a digest says, in the language of its mail."""

    language: str
    parts: list[Part]


class Letter(Struct, frozen=True):
    """A digest that is to be sent, and who gets it."""

    id: int
    user_id: int
    email: str
    name: str
    created_at: datetime
    content: Content


class DigestMails:
    """Makes the mail of a digest, the same each time."""

    def __init__(self, settings: Settings) -> None:
        links, pages = links_of(settings), settings.account_pages_url
        self._page: Callable[[int], str] = links.page if "://" in links.pages else _nowhere
        self._tokens = UnsubscribeTokens(settings.pepper.encode())
        self._stop = f"{pages}/unsubscribe?token="
        self._one_click = (
            f"{links.start if links.absolute else pages.removesuffix('/account')}/account/unsubscribe?token="
        )

    def of(self, letter: Letter) -> tuple[Mail, Listed]:
        """A mail about one search ends the alerts of this one, a mail about several ends all."""
        parts = letter.content.parts
        alone = len(parts) == 1
        token = self._tokens.make(letter.user_id, parts[0].search if alone else None)
        values = {"name": letter.name, "search": parts[0].name}
        mail = Mail(
            key_of(letter.id), "alert" if alone else "alerts", letter.email, letter.content.language, values
        )  # fmt: skip
        sections = [self._section(letter.user_id, part, alone=alone) for part in parts]
        return mail, Listed(letter.created_at, self._stop + token, self._one_click + token, sections)

    def _section(self, user_id: int, part: Part, *, alone: bool) -> Section:
        items = [(_told(item), self._page(item.id)) for item in part.items]
        stop = "" if alone else self._stop + self._tokens.make(user_id, part.search)
        return Section(part.name, items, part.total - len(part.items), stop)


def key_of(digest_id: int) -> str:
    """Names the mail of a digest; the Message-ID follows from it."""
    return f"digest {digest_id}"


def _told(item: Item) -> str:
    return " · ".join(part for part in (item.title, item.company, item.place) if part)


def _nowhere(job_id: int) -> str:
    """No page of a posting is known whose URL could be mailed."""
    return ""
