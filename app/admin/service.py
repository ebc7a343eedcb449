"""Rules of administration: who is no administrator finds nothing here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.admin.schemas import Account, Accounts, AuditEntries
from app.admin.store import AdminStore, Page, Place
from app.auth.schemas import Client, Sessions
from app.auth.service import AuthService
from app.coherence import Coherence, user_key
from app.companies.schemas import CompanyFact
from app.companies.service import CompanyService
from app.errors import BadRequest, Conflict, NotFound
from app.users.email import canonical_email
from app.web.converters import GREATEST_ID


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts are looked for: by id, address and part of the name, as far as they are known."""

    id: int | None
    email: str | None
    name: str


class OwnAccount(Conflict):
    """Administrators do not shut themselves out."""

    code, title = "own_account", "Nobody can disable the own account"


class AdminService:
    """The flag is no fact: each request asks PostgreSQL, so that it is final at its commit."""

    def __init__(
        self, admin: AdminStore, coherence: Coherence, auth: AuthService, companies: CompanyService
    ) -> None:  # fmt: skip
        self._store, self._coherence, self._auth, self._companies = admin, coherence, auth, companies

    def require(self, user_id: int) -> int:
        """The id of an administrator; raises NotFound for everybody else."""
        if not self._store.is_admin(user_id):
            raise NotFound
        return user_id

    def account(self, user_id: int) -> Account:
        """Raises NotFound."""
        found = self._store.find(user_id)
        if found is None:
            raise NotFound("there is no such user")
        return found

    def accounts(self, wanted: Wanted, before: int | None, limit: int) -> Accounts:
        """A page of the accounts that are wanted; raises BadRequest for what is no address."""
        if wanted.email is not None:
            found = self._store.find_by_email(_canonical(wanted.email))
        elif wanted.id is not None:
            found = self._store.find(wanted.id)
        else:
            page = self._store.list_accounts(wanted.name, _place(before, limit))
            return Accounts(page.entries, _cursor(page))
        fits = (
            found is not None
            and wanted.id in (None, found.id)
            and wanted.name.casefold() in found.name.casefold()
            and found.id < (before or GREATEST_ID)
        )
        return Accounts([found] if found is not None and fits else [], None)

    def disable(self, user_id: int, actor_id: int, client: Client) -> Account:
        """Ends every session, and returns when that is final; raises NotFound, OwnAccount or NotFinal."""
        if user_id == actor_id:
            raise OwnAccount
        xid = self._store.disable(user_id, actor_id, client)
        account = self.account(user_id)
        self._coherence.final([user_key(user_id)], xid, security=True)
        return account

    def enable(self, user_id: int, actor_id: int, client: Client) -> Account:
        """Raises NotFound; sessions that have ended stay so."""
        self._store.enable(user_id, actor_id, client)
        return self.account(user_id)

    def sessions(self, user_id: int, after: int | None, limit: int) -> Sessions:
        """A page of the live sessions of an account; raises NotFound."""
        self.account(user_id)
        return self._auth.sessions(user_id, 0, after, limit)

    def verify(self, company_id: int, verified: bool, actor_id: int, client: Client) -> CompanyFact:
        """Raises NotFound or NotFinal."""
        return self._companies.verify(company_id, verified, actor_id, client)

    def audit(
        self, user_id: int | None, filters: Mapping[str, Any], before: int | None, limit: int
    ) -> AuditEntries:  # fmt: skip
        """A page; `filters` are those of `store.AUDIT_FILTERS`."""
        page = self._store.list_audit(user_id, filters, _place(before, limit))
        return AuditEntries(page.entries, _cursor(page))

    def set_admin(self, email: str, admin: bool, client: Client) -> None:
        """Raises BadRequest or NotFound."""
        if not self._store.set_admin(_canonical(email), admin, client):
            raise NotFound(f"there is no account with the address {email}")


def _canonical(email: str) -> str:
    try:
        return canonical_email(email)
    except ValueError as error:
        raise BadRequest(f"{email} {error}") from None


def _place(before: int | None, limit: int) -> Place:
    return Place(before or GREATEST_ID, limit)


def _cursor(page: Page[Any]) -> str | None:
    return None if page.next is None else str(page.next)
