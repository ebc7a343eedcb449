"""Rules before anything is stored: attempts that are counted, passwords that are too easy to guess."""

import unicodedata
from collections.abc import Callable

from app.auth.audit.store import AuditStore
from app.auth.schemas import Client
from app.config import Limits
from app.errors import FieldError, Invalid
from app.infra.addresses import network_of
from app.infra.afterwards import Afterwards
from app.infra.passwords import PasswordHasher, common_passwords
from app.infra.tuning import LiveTuning
from app.web.limits import Key, RateLimiter

LOGIN_FAILURES, LOGINS, REGISTRATIONS, REVOCATIONS = "login_failures", "logins", "registrations", "revocations"
_LEAST_RESEMBLANCE = 4


class Attempt:
    """One guess at a password, counted before it is checked so that many at once cannot slip past the limit."""

    __slots__ = ("_key", "_limit", "_limiter")

    def __init__(self, limiter: RateLimiter, key: Key, limit: int) -> None:
        self._limiter, self._key, self._limit = limiter, key, limit
        limiter.take(LOGIN_FAILURES, key, limit)

    def succeeded(self) -> None:
        """A right password does not count."""
        self._limiter.give_back(LOGIN_FAILURES, self._key, self._limit)


class AccessRules:
    """Limits slow down who guesses; they never touch the sessions that an account has."""

    def __init__(
        self, hasher: PasswordHasher, limiter: RateLimiter, tuning: LiveTuning, audit: AuditStore,
        afterwards: Afterwards,
    ) -> None:  # fmt: skip
        self._hasher, self._limiter, self._tuning, self._afterwards = hasher, limiter, tuning, afterwards
        self.record_failure = audit.record_failed_login
        self.hash, self.verify = hasher.hash, hasher.verify

    def may_register(self, client: Client) -> None:
        """Raises RateLimited."""
        self._limiter.take(REGISTRATIONS, self._network(client), self._limits.registrations_per_address)

    def may_revoke(self, client: Client) -> None:
        """As often as logins, counted apart; raises RateLimited."""
        self._limiter.take(REVOCATIONS, self._network(client), self._limits.logins_per_address)

    def login_attempt(self, email: str, client: Client) -> Attempt:
        """Counts for the client's network and for the account, be it known or not; raises RateLimited."""
        self._limiter.take(LOGINS, self._network(client), self._limits.logins_per_address)
        return Attempt(self._limiter, ("email", email), self._limits.login_failures_per_account)

    def confirmation_attempt(self, session_id: int) -> Attempt:
        """A password asked for within a session, which slows down nobody but itself; raises RateLimited."""
        return Attempt(self._limiter, ("session", session_id), self._limits.login_failures_per_account)

    def strengthen(self, password: str, password_hash: bytes, replace: Callable[[bytes], object]) -> None:
        """Give `replace` a hash of the present cost where this one has a lower one, some time after the answer."""
        if self._hasher.needs_rehash(password_hash):
            self._afterwards.do(lambda: replace(self._hasher.hash(password)))

    @staticmethod
    def check_new_password(password: str, email: str, field: str) -> None:
        """Raises Invalid for a password that is among the first that anybody would try."""
        if problem := weakness(password, email):
            raise Invalid([FieldError(field, *problem)])

    def _network(self, client: Client) -> Key:
        return "network", network_of(client.address, self._limits.ipv6_prefix)

    @property
    def _limits(self) -> Limits:
        return self._tuning.current.limits


def weakness(password: str, email: str) -> tuple[str, str] | None:
    """(code, message) of what makes `password` easy to guess, None where nothing does."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    if plain in common_passwords() or len(set(plain)) == 1:
        return "common_password", "this password is among the most common ones"
    local, _, domain = email.casefold().partition("@")
    letters = _letters(plain)
    for part in (email.casefold(), local, domain, domain.partition(".")[0]):
        known = _letters(part)
        if len(known) >= _LEAST_RESEMBLANCE and known in letters and len(letters) - len(known) < _LEAST_RESEMBLANCE:
            return "resembles_email", "this password resembles the address"
    return None


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())
