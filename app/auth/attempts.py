"""Checks of logins, registrations and passwords: rate limits, password verification, and weak passwords."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.auth.audit.store import AuditStore
from app.auth.guesses import LOGIN_FAILURES, Guesses, Refusals
from app.auth.records import Account, Asked
from app.auth.schemas import Client, Credentials
from app.config import Limits
from app.errors import FieldError, Invalid, RateLimited
from app.infra.addresses import network_of
from app.infra.background.afterwards import Afterwards
from app.infra.secrets.passwords import PasswordHasher, common_passwords
from app.infra.tuning.live_tuning import LiveTuning
from app.web.limits import Key, RateLimiter

LOGINS, REGISTRATIONS, REVOCATIONS, LOGOUTS = "logins", "registrations", "revocations", "logouts"
MAIL_REQUESTS = "mail_requests"
_LEAST_RESEMBLANCE = 4


@dataclass(frozen=True, slots=True)
class Counting:
    """The rate limiter, the counter of wrong passwords, and the audit of refused attempts."""

    limiter: RateLimiter
    guesses: Guesses
    refusals: Refusals


class AttemptRules:
    """Rate limits and password checks; a limit that is reached never ends an existing session."""

    def __init__(
        self, hasher: PasswordHasher, counting: Counting, tuning: LiveTuning, audit: AuditStore,
        afterwards: Afterwards,
    ) -> None:  # fmt: skip
        self._hasher, self._counting, self._tuning, self._afterwards = hasher, counting, tuning, afterwards
        self.hash, self._record_failure = hasher.hash, audit.record_failed_login

    def may_register(self, client: Client) -> None:
        """Count a registration for the client's network; raises RateLimited."""
        limit = self._limits.registrations_per_address
        self._counting.limiter.take(REGISTRATIONS, ("network", self.network(client)), limit)

    def may_ask_for_mail(self, client: Client) -> None:
        """Count a request for a mail for the client's network; raises RateLimited."""
        limit = self._limits.mail_requests_per_address
        self._counting.limiter.take(MAIL_REQUESTS, ("network", self.network(client)), limit)

    def may_mail(self, email: str) -> None:
        """Count a request for a mail for its address, even if no account has it; raises RateLimited."""
        self._counting.limiter.take(MAIL_REQUESTS, ("email", email), self._limits.mail_requests_per_email)

    def may_revoke(self, client: Client) -> None:
        """Count a revocation for the client's network, with the limit of logins; raises RateLimited."""
        limit = self._limits.logins_per_address
        self._counting.limiter.take(REVOCATIONS, ("network", self.network(client)), limit)

    def may_log_out(self, session_id: int) -> None:
        """Count a logout for the session, with the limit of requests without a token; raises RateLimited."""
        self._counting.limiter.take(LOGOUTS, ("session", session_id), self._limits.open_requests_per_address)

    def may_present(self, client: Client) -> None:
        """Count an invalid token for the client's network; raises RateLimited."""
        self._counting.limiter.take_open(client.address, self._limits)

    def may_log_in(self, client: Client) -> None:
        """Count a login for the client's network; a refusal goes to the audit log. Raises RateLimited."""
        key: Key = ("network", self.network(client))
        try:
            self._counting.limiter.take(LOGINS, key, self._limits.logins_per_address)
        except RateLimited:
            self._counting.refusals.note(LOGINS, key, None, client)
            raise

    def logs_in(self, given: Credentials, found: Asked, client: Client) -> bool:
        """Whether the password is right. Failures count for the address, even if it has no account.

        A network from which the account has logged in has its own count, so that guesses from other networks do not
        lock the owner out. Raises RateLimited.
        """
        account = found.account
        password_hash = account.password_hash if account else None
        verify = partial(self._hasher.verify, given.password, password_hash, found.greatest_cost)
        key: Key = ("email", given.email)
        if account is not None and found.familiar:
            key = ("account at network", f"{account.id} {self.network(client)}")
        return self._guess(key, account, client, verify)

    def confirms(self, session_id: int, password: str, account: Account | None, client: Client) -> bool:
        """Whether the password is right; failures count for this session alone. Raises RateLimited."""
        verify = partial(self._hasher.verify, password, account.password_hash if account else None)
        return self._guess(("session", session_id), account, client, verify)

    def _guess(self, key: Key, account: Account | None, client: Client, verify: Callable[[], bool]) -> bool:
        user_id = account.id if account else None
        try:
            right = self._counting.guesses.check(key, self._limits.login_failures_per_account, verify)
        except RateLimited:
            self._counting.refusals.note(LOGIN_FAILURES, key, user_id, client)
            raise
        if not right:
            self._record_failure(user_id, client)
        return right

    def strengthen(self, password: str, password_hash: bytes, replace: Callable[[bytes], object]) -> None:
        """After the response, call `replace` with a new hash if `password_hash` has a lower cost than configured."""
        if self._hasher.needs_rehash(password_hash):
            self._afterwards.do(lambda: replace(self._hasher.hash(password)))

    @staticmethod
    def check_new_password(password: str, email: str, field: str) -> None:
        """Raises Invalid for a password that is common or resembles the address."""
        if problem := weakness(password, email):
            raise Invalid([FieldError(field, *problem)])

    def network(self, client: Client) -> str:
        """The network by which the client's address is counted."""
        return network_of(client.address, self._limits.ipv6_prefix)

    @property
    def most_sessions(self) -> int:
        """The maximum number of live sessions of a user."""
        return self._tuning.current.accounts.sessions_per_user

    @property
    def _limits(self) -> Limits:
        return self._tuning.current.limits


def weakness(password: str, email: str) -> tuple[str, str] | None:
    """(code, message) that says why `password` is easy to guess, or None if it is not."""
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
