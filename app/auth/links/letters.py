"""Mails about accounts: each is enqueued in the transaction of what it tells."""

import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from app.auth.links import store
from app.auth.links.store import Link, LinkStore
from app.auth.links.tokens import NONCE_BYTES, Bound, LinkTokens, Purpose, parse, spell, token_hash
from app.auth.records import Reader
from app.auth.schemas import Client
from app.errors import Conflict, NotFound, RateLimited
from app.infra.postgres.database import Transaction
from app.mail.messages import Mail
from app.mail.texts import Kind, texts_of

LINKS_AN_HOUR, LINKS_OF_ACCOUNT = 5, 50
"""For each purpose: to one address, and by one account."""
_HOUR, _DAY = 3600, 86_400
SECONDS: dict[Purpose, int] = {"recover": _HOUR // 2, "change": _DAY, "verify": 7 * _DAY, "invite": 7 * _DAY}
Post = Callable[[Transaction, Mail, int], object]
"""Has a worker send the mail about an account once the transaction has committed."""


class NoMail(Conflict):
    """The service is not configured to send mail."""

    code, title = "no_mail", "This service sends no mail"


class InvalidLink(NotFound):
    """The token is wrong, used or expired, or the account has another address by now."""

    code, title = "invalid_link", "The link does not work, or no longer"


class Letters:
    """`post` is None without mail; `pages_url` is where links lead."""

    def __init__(self, links: LinkStore, tokens: LinkTokens, pages_url: str, post: Post | None) -> None:
        self._links, self._tokens, self._pages_url, self._post = links, tokens, pages_url, post
        self.on = post is not None
        self.prune = links.prune

    def require(self) -> None:
        """Raises NoMail."""
        if not self.on:
            raise NoMail

    def url_of(self, link_id: int) -> str | None:
        """The URL of a link; None if it does not work any more."""
        link = self._links.find(link_id)
        if link is None:
            return None
        token = spell(link.id, self._tokens.mac(link.bound))
        return f"{self._pages_url}/{link.bound.purpose}?{urlencode({'token': token})}"

    def find(self, token: str, purpose: Purpose) -> Link:
        """The link of a token; raises InvalidLink."""
        parsed = parse(token)
        link = self._links.find(parsed[0]) if parsed else None
        if parsed is None or link is None or link.bound.purpose != purpose:
            raise InvalidLink
        right = hmac.compare_digest(parsed[1], self._tokens.mac(link.bound))
        if not right or not hmac.compare_digest(token_hash(parsed[1]), link.token_hash):
            raise InvalidLink
        return link

    @staticmethod
    def take(transaction: Transaction, link: Link) -> None:
        """Use a link that was found; raises InvalidLink if it does not work any more."""
        if not store.take(transaction, link):
            raise InvalidLink

    @staticmethod
    def drop(transaction: Transaction, user_id: int, keep: Sequence[Purpose] = ()) -> None:
        """End every unused link about the account, and its invitations; those for the purposes `keep` stay."""
        store.drop(transaction, user_id, keep)

    def send_link(
        self, transaction: Transaction, purpose: Purpose, reader: Reader, values: dict[str, str] | None = None,
        company: tuple[int, str] | None = None,
    ) -> bool:  # fmt: skip
        """Mail a link to the reader's address, for which `reader.user_id` asks; False beyond LINKS_AN_HOUR."""
        bound = Bound(purpose, reader.user_id, reader.email, os.urandom(NONCE_BYTES))
        hashed = token_hash(self._tokens.mac(bound))
        link_id = store.insert(transaction, bound, hashed, SECONDS[purpose], (LINKS_AN_HOUR, LINKS_OF_ACCOUNT), company)
        if link_id is None:
            return False
        known = {"name": reader.name} | (values or {})
        mail = Mail(f"link {link_id}", purpose, reader.email, reader.language, known, link_id)
        self._send(transaction, mail, reader.user_id)
        return True

    def ask_link(
        self, transaction: Transaction, purpose: Purpose, reader: Reader, values: dict[str, str] | None = None,
        company: tuple[int, str] | None = None,
    ) -> None:  # fmt: skip
        """The same for an account that may know why it gets none: raises RateLimited."""
        if not self.send_link(transaction, purpose, reader, values, company):
            raise RateLimited("links", LINKS_AN_HOUR, _HOUR, _HOUR)

    def tell(self, transaction: Transaction, kind: Kind, reader: Reader, client: Client, address: str = "") -> None:
        """Mail a notice of something that `client` did; `address` is a new address of the account."""
        values = {
            "name": reader.name,
            "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            "agent": client.agent or "-",
            "address": address or client.address or "-",
        }
        self._send(
            transaction, Mail(secrets.token_hex(16), kind, reader.email, reader.language, values), reader.user_id
        )

    def _send(self, transaction: Transaction, mail: Mail, account: int) -> None:
        if self._post is not None:
            self._post(transaction, mail, account)


def role_in(language: str, role: str) -> str:
    """The name of a role in a language."""
    return str(texts_of(language)["roles"].get(role, role))
