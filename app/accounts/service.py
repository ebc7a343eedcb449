"""Rules of accounts by mail: whoever proves an address gets it, and each link works once."""

from app.accounts import store
from app.accounts.schemas import NewAddress
from app.accounts.store import AccountsStore
from app.auth.links.duties import ask_recovery
from app.auth.links.letters import InvalidLink, Letters
from app.auth.readers import store as readers
from app.auth.records import Reader
from app.auth.schemas import Client
from app.auth.service import AuthService
from app.coherence import Coherence
from app.coherence.store import changed_keys
from app.companies.service import CompanyService
from app.errors import Conflict, NotFound
from app.infra.postgres.database import Transaction


class AddressTaken(Conflict):
    """Another account has proven this address before."""

    code, title = "email_taken", "There is an account with this address"


class NoAccount(Conflict):
    """An invitation needs an account that has proven the address to which it was sent."""

    code, title = "no_account", "Register with this address and confirm it first, then open the link again"


class AccountsService:
    """Every method that ends sessions returns only when no worker of any pod accepts them any more."""

    def __init__(
        self, accounts: AccountsStore, auth: AuthService, letters: Letters, companies: CompanyService,
        coherence: Coherence,
    ) -> None:  # fmt: skip
        self._store, self._auth, self._letters = accounts, auth, letters
        self._companies, self._coherence = companies, coherence

    def ask_verification(self, user_id: int, client: Client) -> None:
        """Mail a link to the account's address again, unless it is proven; raises NoMail or RateLimited."""
        self._letters.require()
        self._auth.may_ask_for_mail(client)
        with self._store.transaction() as transaction:
            reader = readers.find(transaction, user_id)
            if reader is None:
                raise NotFound("there is no such user")
            if not reader.verified:
                self._letters.ask_link(transaction, "verify", reader)

    def ask_change(self, user_id: int, session_id: int, new: NewAddress, client: Client) -> None:
        """Mail a link to the new address, whoever has it; raises NoMail, WrongPassword, RateLimited or Conflict."""
        self._letters.require()
        self._auth.may_ask_for_mail(client)
        account = self._auth.confirmed(user_id, session_id, new.password, client)
        with self._store.transaction() as transaction:
            if not store.lock_confirmed(transaction, account, session_id):
                raise Conflict("the password was changed, or the session has ended")
            reader = readers.find(transaction, user_id)
            if reader is None:
                raise NotFound("there is no such user")
            to = Reader(user_id, new.email, reader.name, reader.language)
            self._letters.ask_link(transaction, "change", to)

    def ask_recovery(self, email: str) -> None:
        """Have a worker look for the account: what the request does and costs is the same without one.

        Raises NoMail or RateLimited.
        """
        self._letters.require()
        self._auth.may_mail(email)
        with self._store.transaction() as transaction:
            ask_recovery(transaction, email)

    def verify(self, token: str, client: Client) -> None:
        """Prove the address to which the link was sent; raises InvalidLink."""
        link = self._letters.find(token, "verify")
        with self._store.transaction() as transaction:
            self._letters.take(transaction, link)
            store.verify(transaction, link.bound.user_id, client)
            xid, keys = changed_keys(transaction)
        self._coherence.final(keys, xid, security=False)

    def change_address(self, token: str, client: Client) -> None:
        """Give the account its new address, and tell the old one; raises InvalidLink, AddressTaken or NotFinal.

        An account that holds the address without having proven it is removed.
        """
        link = self._letters.find(token, "change")
        user_id, email = link.bound.user_id, link.bound.email
        with self._store.transaction() as transaction:
            self._letters.take(transaction, link)
            before = readers.find(transaction, user_id)
            self._make_way(transaction, email, user_id)
            if before is None or not store.change_address(transaction, user_id, email, client):
                raise InvalidLink
            self._letters.drop(transaction, user_id, keep=("invite",))
            if before.verified:
                self._letters.tell(transaction, "changed", before, client, address=email)
            xid, keys = changed_keys(transaction)
        self._coherence.final(keys, xid, security=True)

    def reset_password(self, token: str, password: str, client: Client) -> None:
        """Set a new password, prove the address, and end every session and every other link of the account.

        Raises InvalidLink, Invalid or NotFinal. A password that is refused does not use up the link.
        """
        link = self._letters.find(token, "recover")
        user_id = link.bound.user_id
        hashed = self._auth.hash_new(password, link.bound.email, field="password")
        with self._store.transaction() as transaction:
            self._letters.take(transaction, link)
            store.verify(transaction, user_id, client)
            self._auth.replace_password(transaction, user_id, hashed, client)
            self._letters.drop(transaction, user_id)
            xid, keys = changed_keys(transaction)
        self._coherence.final(keys, xid, security=True)

    def require_recovery(self, token: str) -> None:
        """Raises InvalidLink unless the token would set a password."""
        self._letters.find(token, "recover")

    def accept_invitation(self, token: str, client: Client) -> None:
        """Make the account with the invited address a member; raises InvalidLink or NoAccount."""
        link = self._letters.find(token, "invite")
        with self._store.transaction() as transaction:
            found = store.lock_at(transaction, link.bound.email)
            if found is None or not found[1] or found[2]:
                raise NoAccount  # an account that somebody else has made with this address must not profit
            self._letters.take(transaction, link)
            self._companies.join(transaction, link, found[0], client)
            xid, keys = changed_keys(transaction)
        self._coherence.final(keys, xid, security=False)

    def remove_unverified(self) -> int:
        """Remove accounts that have not proven their address in time; returns how many. Without mail none is."""
        if not self._letters.on:
            return 0
        with self._store.transaction() as transaction:
            gone = store.lock_unverified(transaction)
            for user_id in gone:
                store.remove(transaction, user_id, "the address was not proven")
            xid, keys = changed_keys(transaction)
        self._coherence.final(keys, xid, security=False)
        return len(gone)

    @staticmethod
    def _make_way(transaction: Transaction, email: str, user_id: int) -> None:
        """Remove an account that holds the address without proof; raises AddressTaken for one that has proven it."""
        holder = store.lock_at(transaction, email)
        if holder is None or holder[0] == user_id:
            return
        if holder[1]:
            raise AddressTaken
        store.remove(transaction, holder[0], "another account has proven the address")
