"""Rules of administration: any other user gets NotFound."""

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
from app.jobs.facts import JobFact
from app.jobs.service import JobService
from app.users.email import canonical_email
from app.web.converters import GREATEST_ID


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search for accounts by id, address and part of the name; None and an empty name match all."""

    id: int | None
    email: str | None
    name: str


class OwnAccount(Conflict):
    """Administrators cannot disable their own account."""

    code, title = "own_account", "You cannot disable your own account"


class AdminService:
    """The flag `admin` is not cached: each request reads it from PostgreSQL, so a change holds from its commit on."""

    def __init__(
        self, admin: AdminStore, coherence: Coherence, auth: AuthService, companies: CompanyService, jobs: JobService
    ) -> None:  # fmt: skip
        self._store, self._coherence, self._auth = admin, coherence, auth
        self._companies, self._jobs = companies, jobs

    def require(self, user_id: int) -> int:
        """The user's id; raises NotFound if the user is not an administrator."""
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
        """A page of the matching accounts; raises BadRequest if the address is not valid."""
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
        """Refuse logins and end every session, until no worker accepts one; raises NotFound, OwnAccount or NotFinal."""
        if user_id == actor_id:
            raise OwnAccount
        xid = self._store.disable(user_id, actor_id, client)
        account = self.account(user_id)
        self._coherence.final([user_key(user_id)], xid, security=True)
        return account

    def enable(self, user_id: int, actor_id: int, client: Client) -> Account:
        """Allow logins again; sessions that have ended stay ended. Raises NotFound."""
        self._store.enable(user_id, actor_id, client)
        return self.account(user_id)

    def sessions(self, user_id: int, after: int | None, limit: int) -> Sessions:
        """A page of the live sessions of an account; raises NotFound."""
        self.account(user_id)
        return self._auth.sessions(user_id, 0, after, limit)

    def verify(self, company_id: int, verified: bool, actor_id: int, client: Client) -> CompanyFact:
        """Set or clear the flag `verified` of a company; raises NotFound or NotFinal."""
        return self._companies.verify(company_id, verified, actor_id, client)

    def take_down(self, job_id: int, reason: str, actor_id: int, client: Client) -> tuple[JobFact, CompanyFact]:
        """Close a posting for good; raises NotFound, WrongState for a draft, or NotFinal."""
        return self._jobs.take_down(job_id, reason, actor_id, client)

    def audit(
        self, user_id: int | None, filters: Mapping[str, Any], before: int | None, limit: int
    ) -> AuditEntries:  # fmt: skip
        """A page of the audit log; the names of `filters` are those of `store.AUDIT_FILTERS`."""
        page = self._store.list_audit(user_id, filters, _place(before, limit))
        return AuditEntries(page.entries, _cursor(page))

    def set_admin(self, email: str, admin: bool, client: Client) -> None:
        """Grant or revoke administration; raises BadRequest or NotFound."""
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
