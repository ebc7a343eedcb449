"""Rules of companies: every client may read them, only members act for them, and changes are published."""

import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import msgspec
from msgspec import UNSET

from app.auth.links.letters import InvalidLink, Letters, role_in
from app.auth.links.store import Link
from app.auth.readers import store as readers
from app.auth.records import Reader
from app.auth.schemas import Client
from app.coherence import Coherence, FactCache, Kind, company_key
from app.companies import store
from app.companies.schemas import (
    SLUG,
    SLUG_MAX,
    Company,
    CompanyFact,
    CompanyPatch,
    Invitation,
    Member,
    Members,
    NewCompany,
    OwnCompanies,
    Role,
)
from app.companies.store import CompanyStore
from app.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from app.infra.postgres.database import Transaction
from app.web.conditions import entity_tag

OWNED_MAX = 50
REMEMBERED_SLUGS = 10_000
NAMED_MAX = 5
_NO_NAME = "company"
_is_slug = re.compile(SLUG).fullmatch

Follow = Callable[[Transaction, int], Sequence[str]]
"""Updates data derived from a company, in the same transaction as its change; returns the changed cache keys."""


class SlugTaken(Conflict):
    """Another company, possibly a closed one, has this slug."""

    code, title = "slug_taken", "There is a company with this slug"


class TooManyCompanies(Conflict):
    """The account already owns OWNED_MAX companies."""

    code, title = "too_many_companies", "The account owns too many companies"


class AlreadyMember(Conflict):
    """The invited account is already a member, in whatever role."""

    code, title = "already_member", "The account is a member already"


class LastOwner(Conflict):
    """A company needs an owner: another member must become one, or the company be closed, first."""

    code, title = "last_owner", "The company would have no owner"


class NotAMember(Forbidden):
    """Only members of this company may do this."""

    code, title = "not_a_member", "Only members of the company may do this"


class NotAnOwner(Forbidden):
    """Only owners of this company may do this."""

    code, title = "not_an_owner", "Only owners of the company may do this"


def _nothing_follows(transaction: Transaction, company_id: int) -> Sequence[str]:
    return ()


class CompanyService:
    """Companies are cached. Memberships are not: each check reads PostgreSQL, so a change holds from its commit on."""

    def __init__(
        self, companies: CompanyStore, coherence: Coherence, follow: Follow = _nothing_follows,
        letters: Letters | None = None,
    ) -> None:  # fmt: skip
        self._store, self._coherence, self._follow, self._letters = companies, coherence, follow, letters
        self._facts: FactCache[CompanyFact] = coherence.companies
        self._id_of = lru_cache(REMEMBERED_SLUGS)(self._find_id)

    def company(self, company_id: int) -> CompanyFact:
        """Raises NotFound."""
        fact = self._facts.load(company_id, self._read)
        if fact is None:
            raise NotFound("there is no such company")
        return fact

    def companies_many(self, company_ids: Sequence[int]) -> dict[int, CompanyFact]:
        """Those that exist, by id; takes one pipelined read of the shared cache and at most one query."""
        return self._facts.load_many(company_ids, self._read_many)

    def fresh_many(self, company_ids: Sequence[int]) -> dict[int, CompanyFact]:
        """Those that exist, by id, from the database itself."""
        return self._read_many(company_ids) if company_ids else {}

    def by_slug(self, slug: str) -> CompanyFact:
        """Raises NotFound. A company's slug never changes, so each worker caches the id of a slug."""
        fact = self.company(self._id_of(slug))
        if fact.brief.slug != slug:
            self._id_of.cache_clear()
            raise NotFound("there is no such company")
        return fact

    def membership(self, company_id: int, user_id: int) -> Role | None:
        """The role of an account in a company; None if it is not a member or there is no such company."""
        return self._store.find_role(company_id, user_id)

    def require(self, company_id: int, user_id: int, *, owner: bool = False) -> Role:
        """The role of the user; raises NotFound if there is no such company, NotAMember or NotAnOwner."""
        role = self.membership(company_id, user_id)
        if role is None:
            self.company(company_id)
            raise NotAMember
        if owner and role != "owner":
            raise NotAnOwner
        return role

    def create(self, user_id: int, new: NewCompany, client: Client) -> CompanyFact:
        """Create a company with the user as its owner; raises SlugTaken or TooManyCompanies."""
        values = (new.name, new.description, new.website, new.country)
        with self._store.transaction() as transaction:
            if store.count_owned(transaction, user_id) >= OWNED_MAX:
                raise TooManyCompanies(f"at most {OWNED_MAX} for an account")
            for slug in [new.slug] if isinstance(new.slug, str) else slugs_of(new.name):
                made = store.insert(transaction, slug, values, user_id, client)
                if made is not None:
                    return company_fact(made)
        raise SlugTaken

    def change(self, company_id: int, user_id: int, patch: CompanyPatch, version: int | None) -> CompanyFact:
        """Raises what `require` does, PreconditionFailed if `version` is not the current one, or NotFinal."""
        self.require(company_id, user_id, owner=True)
        values = {name: value for name in store.CHANGEABLE if (value := getattr(patch, name)) is not UNSET}
        if not values:
            return self.company(company_id)
        if values.get("description", "") is None:
            values["description"] = ""
        with self._store.transaction() as transaction:
            changed = store.change(transaction, company_id, values, version)
        if changed is None:
            raise self._missed(version)
        company, xid = changed
        self._coherence.final([company_key(company_id)], xid, security=True)
        return company_fact(company)

    def verify(self, company_id: int, verified: bool, actor_id: int, client: Client) -> CompanyFact:
        """Set or clear the flag `verified`; a retry publishes the change again. Raises NotFound or NotFinal."""
        with self._store.transaction() as transaction:
            changed = store.verify(transaction, company_id, verified, actor_id, client)
            keys = self._keys(transaction, company_id)
        if changed is None:
            self.company(company_id)
        self._coherence.final(keys, changed[1] if changed else None, security=True)
        return company_fact(changed[0]) if changed else self.company(company_id)

    def close(self, company_id: int, user_id: int, version: int | None, client: Client) -> None:
        """Close a company, end its memberships, and update derived data; raises what `change` does."""
        self.require(company_id, user_id, owner=True)
        with self._store.transaction() as transaction:
            xid = store.close(transaction, company_id, version, user_id, client)
            keys = self._keys(transaction, company_id) if xid else []
        if xid is None:
            raise self._missed(version)
        self._coherence.final(keys, xid, security=True)

    def own(self, user_id: int, after: int | None, limit: int) -> OwnCompanies:
        """A page of the companies of which the user is a member; `after` is the cursor of the previous page."""
        found = self._store.list_own(user_id, after or 0, limit + 1)
        page = found[:limit]
        return OwnCompanies(page, str(page[-1].company.id) if len(found) > limit else None)

    def members(self, company_id: int, user_id: int, after: int | None, limit: int) -> Members:
        """A page of the members, for a member; raises what `require` does."""
        self.require(company_id, user_id)
        found = self._store.list_members(company_id, after or 0, limit + 1)
        page = found[:limit]
        return Members(page, str(page[-1].user_id) if len(found) > limit else None)

    def member(self, company_id: int, user_id: int, member_id: int) -> Member:
        """One member, for a member; raises what `require` does, and NotFound if `member_id` is not a member."""
        self.require(company_id, user_id)
        return self._member(company_id, member_id)

    def invite(self, company_id: int, user_id: int, invitation: Invitation, client: Client) -> Member:
        """Add a member; raises what `require` does, NotFound if no account has the address, and AlreadyMember."""
        self.require(company_id, user_id, owner=True)
        invited = self._store.invite(company_id, invitation.email, invitation.role, user_id, client)
        if invited is None:
            raise NotFound("there is no account with this address")
        account, member = invited
        if member is None:
            raise AlreadyMember(f"its id is {account}; change its role instead")
        return member

    def invite_by_mail(self, company_id: int, user_id: int, invitation: Invitation) -> bool:
        """Mail an invitation, even if no account has the address yet; False without mail, and nothing is done.

        Raises what `require` does, and RateLimited for too many invitations.
        """
        if self._letters is None or not self._letters.on:
            return False
        self.require(company_id, user_id, owner=True)
        company, email = self.company(company_id).brief.name, invitation.email
        with self._store.transaction() as transaction:
            inviter, invited = readers.find(transaction, user_id), readers.find_at(transaction, email)
            if inviter is None:
                raise NotFound("there is no such user")
            language = (invited or inviter).language
            values = {"company": company, "inviter": inviter.name, "role": role_in(language, invitation.role)}
            reader = Reader(user_id, email, "", language)
            self._letters.ask_link(transaction, "invite", reader, values, (company_id, invitation.role))
        return True

    def join(self, transaction: Transaction, link: Link, user_id: int, client: Client) -> None:
        """Add the account as invited; raises InvalidLink if who invited it is not an owner any more."""
        inviter, company_id, role = link.bound.user_id, link.company_id, link.role
        if not store.may_still_invite(transaction, company_id, inviter):
            raise InvalidLink
        store.join(transaction, company_id, user_id, role, inviter, client)

    def set_role(self, company_id: int, user_id: int, member_id: int, role: Role, client: Client) -> Member:
        """Change a role; raises what `require` does, NotFound if `member_id` is not a member, and LastOwner."""
        self.require(company_id, user_id, owner=True)
        self._member(company_id, member_id)
        try:
            self._store.set_role(company_id, member_id, role, user_id, client)
        except Conflict:
            raise LastOwner("make another member an owner first") from None
        return self._member(company_id, member_id)

    def remove(self, company_id: int, user_id: int, member_id: int, client: Client) -> None:
        """Remove a member: owners may remove any, other members only themselves. Raises what `set_role` does."""
        self.require(company_id, user_id, owner=member_id != user_id)
        try:
            with self._store.transaction() as transaction:
                if not store.remove(transaction, company_id, member_id, user_id, client):
                    raise NotFound("there is no such member")
        except Conflict:
            raise LastOwner("make another member an owner first, or close the company") from None

    def may_go(self, user_id: int) -> None:
        """Raises LastOwner if the account is the only owner of a company, and so must not be deleted."""
        slugs = self._store.list_owned_alone(user_id, NAMED_MAX + 1)
        if slugs:
            named = ", ".join(slugs[:NAMED_MAX]) + (" and others" if len(slugs) > NAMED_MAX else "")
            raise LastOwner(f"hand over or close these companies first: {named}")

    def _member(self, company_id: int, member_id: int) -> Member:
        member = self._store.find_member(company_id, member_id)
        if member is None:
            raise NotFound("there is no such member")
        return member

    def _keys(self, transaction: Transaction, company_id: int) -> list[str]:
        return [company_key(company_id), *self._follow(transaction, company_id)]

    @staticmethod
    def _missed(version: int | None) -> PreconditionFailed | NotFound:
        if version is not None:
            return PreconditionFailed("the company has changed")
        return NotFound("there is no such company")

    def _find_id(self, slug: str) -> int:
        """Raises NotFound, which `lru_cache` does not cache; PostgreSQL is asked only for what can be a slug."""
        company_id = self._store.find_id(slug) if _is_slug(slug) else None
        if company_id is None:
            raise NotFound("there is no such company")
        return company_id

    def _read(self, company_id: int) -> CompanyFact | None:
        company = self._store.find(company_id)
        return None if company is None else company_fact(company)

    def _read_many(self, company_ids: Sequence[int]) -> dict[int, CompanyFact]:
        return {each: company_fact(company) for each, company in self._store.list_by_ids(company_ids).items()}


def slugs_of(name: str) -> Iterator[str]:
    """Slugs to try for a company name, the simplest first; the last ends in 8 random hexadecimal digits."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or _NO_NAME
    shortened = words[: SLUG_MAX - 10].strip("-")
    yield from (shortened, f"{shortened}-2", f"{shortened}-3", f"{shortened}-{secrets.token_hex(4)}")


def company_fact(company: Company) -> CompanyFact:
    """The cached form of a company."""
    return CompanyFact(company, entity_tag(company.id, company.version))


_decode = msgspec.json.Decoder(Company).decode

COMPANY_KIND: Kind[CompanyFact] = Kind(
    "company",
    Company,
    encode=lambda fact: fact.json,
    decode=lambda data: company_fact(_decode(data)),
    keys=lambda company_id, _fact: (company_key(company_id),),
    size=CompanyFact.size,
)
