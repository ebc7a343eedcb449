"""Rules of accounts and sessions: registration, login, refresh, logout and deletion.

A method that ends sessions returns only when no worker accepts them any more.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from app.auth.attempts import AttemptRules
from app.auth.links.letters import Letters
from app.auth.readers import store as readers
from app.auth.records import Account, Opened, Reader
from app.auth.refresh import FAMILY_BYTES, RefreshTokens, token_hash
from app.auth.schemas import Client, Credentials, PasswordChange, Registration, Sessions, Tokens
from app.auth.store import AuthStore
from app.auth.tokens import AccessTokens, Claims
from app.coherence import Coherence, Position, session_key, user_key
from app.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NotFound,
    PreconditionFailed,
    RateLimited,
    WrongCredentials,
)
from app.infra.postgres.database import Transaction
from app.mail.texts import DEFAULT_LANGUAGE
from app.users.email import canonical_email
from app.users.schemas import UserFact
from app.users.service import UserService, user_fact
from app.web.converters import GREATEST_ID


class EmailTaken(Conflict):
    """Another account has this address."""

    code, title = "email_taken", "There is an account with this address"


class WrongPassword(Forbidden):
    """The session is valid, but the password that has to confirm the action is wrong."""

    code, title = "wrong_password", "The password is wrong"


class AccountDisabled(Forbidden):
    """Returned only if the password is right; a database trigger also refuses sessions of disabled accounts."""

    code, title = "account_disabled", "The account is disabled"


@dataclass(frozen=True, slots=True)
class Facts:
    """The cached facts of sessions and users, and mails; `may_go` raises an error if an account must not be deleted."""

    coherence: Coherence
    users: UserService
    may_go: Callable[[int], object]
    letters: Letters


class AuthService:
    """Every method that ends a session returns only when no worker of any pod accepts it any more.

    Call the `may_...` methods before the body is read: they count the client's network and raise RateLimited.
    """

    def __init__(
        self, accounts: AuthStore, rules: AttemptRules, tokens: AccessTokens, refresh: RefreshTokens, facts: Facts
    ) -> None:
        self._store, self._rules, self._tokens, self._refresh = accounts, rules, tokens, refresh
        self._coherence, self._users, self._may_go = facts.coherence, facts.users, facts.may_go
        self._letters = facts.letters
        self.may_register, self.may_log_in, self.may_revoke = rules.may_register, rules.may_log_in, rules.may_revoke
        self.may_ask_for_mail, self.may_mail = rules.may_ask_for_mail, rules.may_mail

    def register(self, new: Registration, client: Client) -> UserFact:
        """Raises EmailTaken or Invalid (a password that is easy to guess). With mail, the address is to be proven."""
        hashed = self.hash_new(new.password, new.email, field="password")
        position = self._coherence.position()
        if not self._letters.on:
            user = self._store.insert_account(new, hashed, client)
        else:
            with self._store.transaction() as transaction:
                user = self._store.insert_account(new, hashed, client, transaction)
                if user is not None:
                    reader = Reader(user.id, user.email, user.name, new.language or DEFAULT_LANGUAGE)
                    self._letters.send_link(transaction, "verify", reader)
        if user is None:
            raise EmailTaken
        return self._users.remember(user, position)

    def hash_new(self, password: str, email: str, field: str) -> bytes:
        """The hash of a new password; raises Invalid for one that is easy to guess."""
        self._rules.check_new_password(password, email, field)
        return self._rules.hash(password)

    def login(self, given: Credentials, client: Client) -> Tokens:
        """Open a session, with one read and one write; raises WrongCredentials, AccountDisabled or RateLimited."""
        found = self._store.find_account(given.email, self._rules.network(client))
        account = found.account
        if not self._rules.logs_in(given, found, client) or account is None:
            raise WrongCredentials
        if account.disabled:
            raise AccountDisabled
        tokens = self._open(account, client, told=found.familiar or not self._letters.on)
        old = account.password_hash
        self._rules.strengthen(given.password, old, partial(self._store.replace_hash, account.id, old))
        return tokens

    def refresh(self, token: str, client: Client) -> Tokens:
        """Rotate the refresh token; reuse of an old one ends the session (RFC 9700, 4.14.2). Raises InvalidToken."""
        given = self._refresh.parse(token)
        xid = None
        with self._store.transaction() as transaction:
            family = self._store.lock_family(transaction, given.session_id)
            if family is None:
                raise InvalidToken("the refresh token is not valid")
            number = self._refresh.next_number(given, family)
            mac = self._refresh.mac(family.family, number or 0)
            if family.live and number is None:
                xid = self._store.revoke_within(transaction, family.user_id, given.session_id, "refresh_reused", client)
            elif family.live and number != family.counter:
                self._store.rotate(transaction, given.session_id, token_hash(mac), client)
        if xid is not None:
            self._final_session(given.session_id, xid)
        if not family.live or number is None:
            raise InvalidToken("the refresh token is not valid")
        return self._spell(family.user_id, given.session_id, number, mac)

    def may_present(self, client: Client) -> None:
        """Count an invalid token for the client's network; raises RateLimited."""
        self._rules.may_present(client)

    def logout(self, claims: Claims, client: Client) -> None:
        """End the session; a retry publishes its end again. Raises NotFinal if the end is stored but not yet final.

        Raises RateLimited for too many requests, but only if the session has already ended.
        """
        self._may_log_out(claims.session_id)
        self._end(claims.user_id, claims.session_id, "logged_out", client)

    def revoke(self, token: str, client: Client) -> None:
        """End the session of an access token or of a refresh token, also a rotated one (RFC 7009).

        Any other text is ignored. Raises NotFinal as `logout` does.
        """
        try:
            given = self._refresh.parse(token)
        except InvalidToken:
            self._revoke_access(token, client)
            return
        owner = self._store.find_owner(given.session_id)
        if owner is not None and self._refresh.made(given, owner[1]):
            self._end(owner[0], given.session_id, "token_revoked", client)

    def logout_everywhere(self, claims: Claims, client: Client) -> None:
        """End every session of the user; if none is live, as in a retry, publish the end again.

        Raises InvalidToken if the token's own session has ended and others are live: such a token may not end them.
        Raises NotFinal and RateLimited as `logout` does.
        """
        self._may_log_out(claims.session_id)
        with self._store.transaction() as transaction:
            alive, any_alive = self._store.live_sessions(transaction, claims.user_id, claims.session_id)
            if any_alive and not alive:
                raise InvalidToken("the session has ended")
            raised = None
            if alive:
                raised = self._store.raise_epoch(
                    transaction, claims.user_id, claims.session_id, "logged_out_everywhere", client
                )
        self._final_user(claims.user_id, raised[1] if raised else None)

    def end_sessions(self, email: str, client: Client) -> None:
        """End every session of the account with this address; raises BadRequest, NotFound or NotFinal."""
        try:
            account = self._store.find_account(canonical_email(email), network="").account
        except ValueError as error:
            raise BadRequest(f"{email} {error}") from None
        raised = None
        if account is not None:
            with self._store.transaction() as transaction:
                raised = self._store.raise_epoch(transaction, account.id, None, "sessions_ended", client)
        if account is None or raised is None:
            raise NotFound(f"there is no account with the address {email}")
        self._final_user(account.id, raised[1])

    def sessions(self, user_id: int, current: int, after: int | None, limit: int) -> Sessions:
        """A page of the live sessions; `after` is the cursor of the previous page."""
        found = self._store.list_sessions(user_id, current, after, limit + 1)
        page, more = found[:limit], len(found) > limit
        last = GREATEST_ID if page and page[-1].current else page[-1].id if page else 0
        return Sessions(page, str(last) if more else None)

    def end_session(self, user_id: int, session_id: int, client: Client) -> None:
        """End one session; raises NotFound if the user has no such session, or NotFinal."""
        found, xid = self._store.revoke_session(user_id, session_id, "session_ended", client)
        if not found:
            raise NotFound("there is no such session")
        self._final_session(session_id, xid)

    def change_password(self, user_id: int, session_id: int, change: PasswordChange, client: Client) -> None:
        """Change the password and end every other session; raises WrongPassword, Invalid, Conflict or NotFinal."""
        account = self.confirmed(user_id, session_id, change.current, client)
        hashed = self.hash_new(change.new, self._users.profile(user_id).user.email, field="new")
        hashes = (hashed, account.password_hash)
        with self._store.transaction() as transaction:
            raised = self._store.raise_epoch(transaction, user_id, session_id, "password_changed", client, hashes)
            if raised is None:
                raise Conflict("the password was changed by another request")
            epoch, xid = raised
            self._store.keep_session(transaction, user_id, session_id, epoch)
            self._tell(transaction, "password", user_id, client)
        self._final_user(user_id, xid)

    def replace_password(self, transaction: Transaction, user_id: int, password_hash: bytes, client: Client) -> None:
        """Set the password and end every session; the caller publishes what the transaction has changed."""
        self._store.raise_epoch(transaction, user_id, None, "password_recovered", client, (password_hash, None))
        self._tell(transaction, "password", user_id, client)

    def _tell(
        self, transaction: Transaction, kind: Literal["password", "device"], user_id: int, client: Client
    ) -> None:
        """Mail a notice to an address that is proven, and one of a login only if it is wanted."""
        reader = readers.find(transaction, user_id) if self._letters.on else None
        if reader is not None and reader.verified and (reader.device_mails or kind != "device"):
            self._letters.tell(transaction, kind, reader, client)

    def delete_account(
        self, user_id: int, session_id: int, password: str, version: int | None, client: Client
    ) -> None:  # fmt: skip
        """Delete the account and end its sessions.

        Raises WrongPassword, NotFinal, PreconditionFailed if the profile is no longer at `version`, or Conflict if
        the password changed or a company needs the account.
        """
        account = self.confirmed(user_id, session_id, password, client)
        self._may_go(user_id)
        xid = self._store.delete_account(account, session_id, version, client)
        if xid is None:
            changed = "the account was changed by another request"
            raise Conflict(changed) if version is None else PreconditionFailed(changed)
        self._final_user(user_id, xid)
        self._coherence.users.end(user_id)

    def confirmed(self, user_id: int, session_id: int, password: str, client: Client) -> Account:
        """The account, if the password is right; raises WrongPassword or RateLimited."""
        account = self._store.find_account_by_id(user_id)
        if not self._rules.confirms(session_id, password, account, client) or account is None:
            raise WrongPassword
        return account

    def _open(self, account: Account, client: Client, *, told: bool) -> Tokens:
        """Unless `told`, a login from a network other than the known ones is told by mail."""
        family = os.urandom(FAMILY_BYTES)
        mac = self._refresh.mac(family, 0)
        position = self._coherence.position()
        token, network = (family, token_hash(mac)), self._rules.network(client)
        if told:
            opened = self._store.open_session(account, token, client, network)
        else:
            with self._store.transaction() as transaction:
                opened = self._store.open_session(account, token, client, network, transaction)
                if opened is not None and readers.known_elsewhere(transaction, account.id, network):
                    self._tell(transaction, "device", account.id, client)
        if opened is None:
            raise WrongCredentials
        self._warm(opened, position)
        self._displace(account.id, opened, client)
        return self._spell(account.id, opened.id, 0, mac)

    def _displace(self, user_id: int, opened: Opened, client: Client) -> None:
        """End the least recently used sessions beyond the maximum per user.

        `others` does not count concurrent logins, so the exact statement already runs from half of the maximum on.
        """
        most = self._rules.most_sessions
        if 2 * opened.others >= most and (xid := self._store.end_least_used(user_id, opened.id, most, client)):
            self._coherence.final([user_key(user_id)], xid, security=False)

    def _warm(self, opened: Opened, position: Position | None) -> None:
        session = (self._coherence.sessions, opened.id, opened.session)
        self._coherence.put(position, session, (self._coherence.users, opened.user.id, user_fact(opened.user)))

    def _spell(self, user_id: int, session_id: int, number: int, mac: bytes) -> Tokens:
        access = self._tokens.issue(user_id, session_id)
        return Tokens(access, self._refresh.spell(session_id, number, mac), "Bearer", self._tokens.life_seconds)

    def _revoke_access(self, token: str, client: Client) -> None:
        try:
            claims = self._tokens.verify(token)
        except InvalidToken:
            return
        self._end(claims.user_id, claims.session_id, "token_revoked", client)

    def _end(self, user_id: int, session_id: int, event: str, client: Client) -> None:
        """End a session; one without a row has already ended, and its end is published again."""
        _, xid = self._store.revoke_session(user_id, session_id, event, client)
        self._final_session(session_id, xid)

    def _may_log_out(self, session_id: int) -> None:
        """Raises RateLimited only if the session has ended: a live session may always log out."""
        try:
            self._rules.may_log_out(session_id)
        except RateLimited:
            if self._store.find_session(session_id) is None:
                raise

    def _final_session(self, session_id: int, xid: str | None) -> None:
        self._coherence.ended_sessions.add(session_id)
        self._coherence.final([session_key(session_id)], xid, security=True)

    def _final_user(self, user_id: int, xid: str | None) -> None:
        self._coherence.final([user_key(user_id)], xid, security=True)
