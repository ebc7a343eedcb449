"""Rules of postings: members of the company write them, open ones are public, and each change is final."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET

from app.auth.schemas import Client
from app.coherence import Coherence, FactCache, job_key
from app.companies.schemas import CompanyFact
from app.companies.service import CompanyService
from app.companies.store import lock_open
from app.errors import Conflict, Gone, NotFound, PreconditionFailed
from app.infra.postgres.database import Transaction
from app.infra.postgres.replica import asked_since
from app.jobs import store, writing
from app.jobs.codes.salaries import Rates
from app.jobs.content import changed_posting, late, new_posting, refuse
from app.jobs.facts import JobFact, job_fact
from app.jobs.indexing import fingerprint, named_values
from app.jobs.moderation.store import catalogue_around, take_down
from app.jobs.schemas import JobPatch, NewJob, Posting, State
from app.jobs.store import Cluster, Locked, PostingStore

GREATEST_ID = 2**63 - 1
_NEXT: dict[State, frozenset[str]] = {
    "draft": frozenset({"open"}),
    "open": frozenset({"open", "closed"}),
    "closed": frozenset({"open", "closed"}),
    "expired": frozenset({"open", "closed"}),
}


class WrongState(Conflict):
    """The posting's state does not allow the change."""

    code, title = "wrong_state", "The posting is in a state that does not allow this"


class JobService:
    """Reads and changes postings; companies come from `CompanyService`."""

    def __init__(self, postings: PostingStore, coherence: Coherence, companies: CompanyService, rates: Rates) -> None:
        self._store, self._coherence, self._companies, self._rates = postings, coherence, companies, rates
        self._facts: FactCache[JobFact] = coherence.jobs

    def job(self, job_id: int, user: Callable[[], int | None]) -> tuple[JobFact, CompanyFact]:
        """A posting and its company; only members see one that is not open. Raises NotFound or Gone.

        `user` is asked only where the answer depends on it.
        """
        fact = self._fact(job_id)
        if not fact.found and not self._acts_for(fact.posting.company_id, user()):
            raise NotFound("there is no such posting") if fact.state == "draft" else Gone(f"it is {fact.state}")
        return fact, self._companies.company(fact.posting.company_id)

    def open_jobs(self, job_ids: Sequence[int]) -> dict[int, tuple[JobFact, CompanyFact]]:
        """The open postings among `job_ids`, in that order, with their companies."""
        facts = self._facts.load_many(job_ids, self._read_many)
        found = {job_id: fact for job_id, fact in facts.items() if fact.found}
        companies = self._companies.companies_many([fact.posting.company_id for fact in found.values()])
        return {
            job_id: (fact, companies[fact.posting.company_id])
            for job_id, fact in found.items()
            if fact.posting.company_id in companies
        }

    def companies_of(self, company_ids: Sequence[int]) -> dict[int, str]:
        """The names of the companies that exist, by id."""
        found = self._companies.companies_many(company_ids)
        return {company_id: fact.brief.name for company_id, fact in found.items()}

    def of_company(
        self, company_id: int, user_id: int, states: Sequence[State] | None, before: int | None, limit: int
    ) -> tuple[list[tuple[JobFact, CompanyFact]], int | None]:
        """A page for a member, and the last id of the page if there is another. Raises what `require` does."""
        self._companies.require(company_id, user_id)
        company = self._companies.company(company_id)
        found = self._store.list_by_company(company_id, states, before or GREATEST_ID, limit + 1)
        facts = [(JobFact(each, each.valid_through.timestamp()), company) for each in found[:limit]]
        return facts, found[limit - 1].id if len(found) > limit else None

    def create(self, company_id: int, user_id: int, new: NewJob) -> tuple[JobFact, CompanyFact]:
        """Raises what `require` does, Invalid, or NotFinal: the posting is stored but not yet known to every worker."""
        self._companies.require(company_id, user_id)
        draft = new_posting(company_id, new, datetime.now(UTC))
        self._store.number(named_values(draft.detail, draft.detail.places))
        with self._store.transaction() as transaction:
            job_id = store.insert(transaction, company_id, draft)
            if job_id is None:
                raise NotFound("there is no such company")
            if new.state == "open":
                own = fingerprint(draft.title, draft.description, draft.detail)
                cluster = store.cluster_like(transaction, company_id, own)
                locked = _locked(transaction, job_id)
                self._write(transaction, locked, _opened(locked.posting, locked), cluster)
            xid, keys = store.keys(transaction)
        if keys:
            self._coherence.final(keys, xid, security=True)
        return self._written(job_id)

    def change(self, job_id: int, user_id: int, patch: JobPatch, version: int | None) -> tuple[JobFact, CompanyFact]:
        """Raises what `for_member` does, Invalid, WrongState, PreconditionFailed, or NotFinal as `create` does."""
        self.for_member(job_id, user_id)
        present = self._read(job_id)
        if present is None:
            raise NotFound("there is no such posting")
        before = present.posting
        planned = changed_posting(before, patch, datetime.now(UTC))
        if planned == before and patch.state in (UNSET, present.state) and version in (None, before.version):
            if keys := self._store.unpublished(job_id):  # an earlier attempt has stored it and is not yet final
                self._coherence.final(keys, None, security=True)
            return self._written(job_id)
        self._store.number(named_values(planned.detail, planned.detail.places))
        with self._store.transaction() as transaction:
            if not lock_open(transaction, before.company_id):
                raise NotFound("there is no such company")
            cluster = store.lock_cluster(transaction, job_id)
            locked = store.lock(transaction, job_id)
            if locked is None or version not in (None, locked.posting.version):
                raise PreconditionFailed("the posting has changed meanwhile") if version else NotFound("it was deleted")
            _same_cluster(locked, cluster)
            after = changed_posting(locked.posting, patch, locked.now)
            self._move(transaction, locked, after, patch, cluster)
            xid, keys = store.keys(transaction)
        self._coherence.final(keys, xid, security=True)
        return self._written(job_id)

    def take_down(self, job_id: int, reason: str, actor_id: int, client: Client) -> tuple[JobFact, CompanyFact]:
        """Close a posting for good, or change the reason; a retry publishes again.

        Raises NotFound, WrongState for a draft, or NotFinal as `create` does.
        """
        with self._store.transaction() as transaction:
            cluster = store.lock_cluster(transaction, job_id)
            locked = store.lock(transaction, job_id)
            if locked is None:
                raise NotFound("there is no such posting")
            if locked.posting.state == "draft":
                raise WrongState("only its company sees a draft")
            _same_cluster(locked, cluster)
            if locked.posting.state != "closed":
                after = msgspec.structs.replace(locked.posting, state="closed")
                self._write(transaction, locked, after, cluster)
            take_down(transaction, job_id, reason, actor_id, client)
            xid, noted = store.keys(transaction)
            keys = dict.fromkeys([*noted, job_key(job_id), *catalogue_around(transaction, job_id)])
        self._coherence.final(list(keys), xid, security=True)
        return self._written(job_id)

    def delete(self, job_id: int, user_id: int, version: int | None) -> None:
        """Delete a draft; raises what `for_member` does, WrongState if it is not a draft, or PreconditionFailed."""
        self.for_member(job_id, user_id)
        xid = self._store.delete_draft(job_id, version)
        if xid is None:
            present = self.for_member(job_id, user_id).posting
            if present.state == "draft":
                raise PreconditionFailed("the posting has changed meanwhile")
            raise WrongState("only a draft can be deleted; close the posting instead")
        self._coherence.final([job_key(job_id)], xid, security=True)

    def for_member(self, job_id: int, user_id: int) -> JobFact:
        """The posting, for a member of its company; raises NotFound for a draft of others, else what `require` does."""
        fact = self._fact(job_id)
        if fact.state == "draft" and not self._acts_for(fact.posting.company_id, user_id):
            raise NotFound("there is no such posting")
        self._companies.require(fact.posting.company_id, user_id)
        return fact

    def _move(
        self, transaction: Transaction, locked: Locked, after: Posting, patch: JobPatch, cluster: Cluster | None
    ) -> None:  # fmt: skip
        before = locked.posting
        ended = before.state == "open" and before.valid_through <= locked.now
        state: State = "expired" if ended else before.state
        wanted = patch.state
        if wanted is UNSET:
            if before.state == "open" and not ended:
                refuse(late(after.valid_through, locked.now))
        elif wanted not in _NEXT[state]:
            raise WrongState(f"a posting that is {state} cannot become {wanted}")
        elif wanted == "closed":
            after = msgspec.structs.replace(after, state="closed")
        else:
            if before.taken_down is not None:
                raise WrongState(f"an administrator has taken it down for good: {before.taken_down.reason}")
            refuse(late(after.valid_through, locked.now))
            after = _opened(after, locked)
        if after.state == "open" and cluster is None:
            own = fingerprint(after.title, after.description, after.detail)
            cluster = store.cluster_like(transaction, after.company_id, own)
        self._write(transaction, locked, after, cluster)

    def _write(self, transaction: Transaction, locked: Locked, after: Posting, cluster: Cluster | None) -> None:
        writing.write(transaction, locked.posting, after, cluster, self._rates)

    def _acts_for(self, company_id: int, user_id: int | None) -> bool:
        return user_id is not None and self._companies.membership(company_id, user_id) is not None

    def _fact(self, job_id: int) -> JobFact:
        fact = self._facts.load(job_id, self._read)
        if fact is None:
            raise NotFound("there is no such posting")
        return fact

    def _written(self, job_id: int) -> tuple[JobFact, CompanyFact]:
        fact = self._fact(job_id)
        return fact, self._companies.company(fact.posting.company_id)

    def _read(self, job_id: int) -> JobFact | None:
        asked_at = asked_since()
        found = self._store.find(job_id)
        return None if found is None else job_fact(*found, asked_at)

    def _read_many(self, job_ids: Sequence[int]) -> dict[int, JobFact]:
        asked_at = asked_since()
        return {job_id: job_fact(*found, asked_at) for job_id, found in self._store.list_by_ids(job_ids).items()}


def follow_company(transaction: Transaction, company_id: int) -> list[str]:
    """The keys of all searches that may find postings of a company; cached postings depend on the company's own key."""
    _, noted = store.keys(transaction)
    return list(dict.fromkeys([*noted, *store.catalogue_of(transaction, company_id)]))


def _opened(posting: Posting, locked: Locked) -> Posting:
    """The posting as open; the time of publication stays that of the first opening."""
    return msgspec.structs.replace(posting, state="open", published_at=posting.published_at or locked.now)


def _same_cluster(locked: Locked, cluster: Cluster | None) -> None:
    """Raise WrongState if the posting got its cluster after that was asked for, because it was opened meanwhile."""
    if locked.cluster_id != (cluster.id if cluster else None):
        raise WrongState("it was opened at the same moment; repeat the request")


def _locked(transaction: Transaction, job_id: int) -> Locked:
    """Lock a posting that this transaction has inserted."""
    found = store.lock(transaction, job_id)
    if found is None:
        raise NotFound("there is no such posting")
    return found
