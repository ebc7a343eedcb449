"""The keys that changes of postings and companies publish, by the service and by SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from app.auth.gate import SESSION_KIND
from app.auth.schemas import Client
from app.coherence import Coherence, Kinds
from app.companies.schemas import CompanyFact, CompanyPatch
from app.companies.service import COMPANY_KIND, CompanyService
from app.companies.store import CompanyStore
from app.config import Caches, DatabaseTuning
from app.errors import NotFinal
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.facts import JOB_KIND, JobFact
from app.jobs.outcomes import SEARCH_KIND
from app.jobs.schemas import JobPatch, NewJob, Place
from app.jobs.service import JobService, follow_company
from app.jobs.store import PostingStore
from app.jobs.upkeep.service import Upkeep
from app.users.service import USER_KIND
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import NOW

OWNER = "INSERT INTO users (email, password_hash, name) VALUES ('owner@keys.example', '', 'Ada') RETURNING id"
MEMBER = "INSERT INTO company_members (company_id, user_id, role) VALUES (%s, %s, 'owner')"
ME = Client("127.0.0.1", "test", "1")


@dataclass
class Board:
    """The services over one database, whose `heard` are the keys of the last change."""

    database: Database
    companies: CompanyService
    jobs: JobService
    user: int
    company: int
    heard: set[str]
    fails: bool = False

    def final(self, keys: Sequence[str], xid: str | None, *, security: bool) -> None:
        if self.fails:
            raise NotFinal
        self.heard.clear()
        self.heard.update(keys)

    def offer(self, **said: Any) -> int:
        made, _ = self.jobs.create(self.company, self.user, NewJob("Nurse", "<p>You care.</p>", **said))
        return made.posting.id

    def patch(self, job_id: int, **said: Any) -> tuple[JobFact, CompanyFact]:
        return self.jobs.change(job_id, self.user, JobPatch(**said), None)

    def by_sql(self, statement: str, *params: Any) -> set[str]:
        """The keys that the statement notes in the outbox."""
        self.database.run("DELETE FROM outbox")
        self.database.run(statement, *params)
        return {key for (key,) in self.database.all("SELECT key FROM outbox")}


@pytest.fixture
def board(database: LocalDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    direct = Database(database.direct_url, DatabaseTuning(), prepared=False)
    direct.run("TRUNCATE companies, users RESTART IDENTITY CASCADE")
    user, company = direct.one(OWNER), direct.one("INSERT INTO companies (slug, name) VALUES ('k', 'K') RETURNING id")
    assert user is not None
    assert company is not None
    direct.run(MEMBER, *company, *user)
    kinds = Kinds(USER_KIND, SESSION_KIND, COMPANY_KIND, JOB_KIND, SEARCH_KIND)
    coherence = Coherence(Memcache((), 250), direct, Counters.create([], 1), Caches(), kinds)
    companies = CompanyService(CompanyStore(direct), coherence, follow_company)
    jobs = JobService(PostingStore(direct), coherence, companies, shipped_rates())
    made = Board(direct, companies, jobs, user[0], company[0], set())
    monkeypatch.setattr(coherence, "final", made.final)
    yield made
    direct.run("TRUNCATE companies, users CASCADE")
    direct.run("DELETE FROM outbox")
    direct.close()


def test_countries_before_and_after_are_published(board: Board) -> None:
    job = board.offer(places=(Place("DE"), Place("AT")))
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:DE", "catalogue:AT"}
    board.patch(job, places=(Place("DE"), Place("FR")))
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:DE", "catalogue:AT", "catalogue:FR"}
    board.patch(job, title="Cook")
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:DE", "catalogue:FR"}
    board.patch(job, state="closed")
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:DE", "catalogue:FR"}


def test_eligible_countries_and_their_absence_are_published(board: Board) -> None:
    job = board.offer(workplace="remote")
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:anywhere"}
    board.patch(job, eligible_countries=("US", "CA"))
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:anywhere", "catalogue:US", "catalogue:CA"}
    board.patch(job, workplace="onsite", eligible_countries=())
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:US", "catalogue:CA"}


def test_a_draft_is_no_change_of_the_catalogue(board: Board) -> None:
    job = board.offer(state="draft", places=(Place("DE"),))
    assert board.heard == set()
    board.patch(job, title="Cook")
    assert board.heard == {f"job:{job}"}
    board.patch(job, state="open")
    assert board.heard == {f"job:{job}", "catalogue", "catalogue:DE"}


def test_the_country_of_a_duplicate_is_published_with_those_of_the_one_that_is_shown(board: Board) -> None:
    shown = board.offer(places=(Place("DE"),), valid_through=NOW + timedelta(days=9))
    hidden = board.offer(places=(Place("FR"),), valid_through=NOW + timedelta(days=8))
    published = {f"job:{shown}", f"job:{hidden}", "catalogue", "catalogue:DE", "catalogue:FR"}
    assert board.heard == published
    board.patch(hidden, state="closed")
    assert board.heard == published


def test_verification_is_a_change_of_the_catalogue_and_a_new_name_is_not(board: Board) -> None:
    board.offer(places=(Place("DE"),))
    for verified in (True, True, False):
        board.companies.verify(board.company, verified, board.user, ME)
        assert board.heard == {f"company:{board.company}", "catalogue", "catalogue:DE"}
    board.companies.change(board.company, board.user, CompanyPatch(name="Other"), None)
    assert board.heard == {f"company:{board.company}"}


def test_closing_a_company_publishes_no_key_for_each_posting(board: Board) -> None:
    for country in ("DE", "FR", "US"):
        board.offer(places=(Place(country),))
    board.companies.close(board.company, board.user, None, ME)
    assert board.heard == {f"company:{board.company}", "catalogue", "catalogue:DE", "catalogue:FR", "catalogue:US"}
    assert board.database.all("SELECT DISTINCT state FROM posting") == [("closed",)]


def test_repeating_a_change_that_was_not_final_publishes_it(board: Board) -> None:
    job = board.offer(places=(Place("DE"),))
    board.fails = True
    with pytest.raises(NotFinal):
        board.patch(job, places=(Place("FR"),))
    board.heard.clear()
    with pytest.raises(NotFinal):
        board.patch(job, places=(Place("FR"),))
    board.fails = False
    board.patch(job, places=(Place("FR"),))
    assert board.heard >= {f"job:{job}", "catalogue", "catalogue:DE", "catalogue:FR"}


@pytest.mark.parametrize(
    ("statement", "noted"),
    [
        ("UPDATE companies SET verified = true", {"company", "catalogue", "catalogue:DE"}),
        ("UPDATE companies SET name = 'Other'", {"company"}),
        ("UPDATE companies SET closed_at = now()", {"company", "catalogue", "catalogue:DE"}),
        ("DELETE FROM companies", {"company", "job", "catalogue", "catalogue:DE"}),
        ("UPDATE posting SET state = 'closed', shown = false", {"job", "catalogue", "catalogue:DE"}),
        ("UPDATE posting_text SET title = 'Cook'", {"job", "catalogue", "catalogue:DE"}),
        ("UPDATE posting_text SET title = title", set()),
        ("DELETE FROM posting", {"job", "catalogue", "catalogue:DE"}),
        ("TRUNCATE posting CASCADE", {"job", "catalogue", "catalogue:DE"}),
    ],
)
def test_changes_by_sql_are_noted(board: Board, statement: str, noted: set[str]) -> None:
    job = board.offer(places=(Place("DE"),))
    names = {"company": f"company:{board.company}", "job": f"job:{job}"}
    assert board.by_sql(statement) == {names.get(each, each) for each in noted}


def test_expiry_changes_nothing_that_a_cached_posting_shows(board: Board) -> None:
    job = board.offer(places=(Place("DE"),))
    board.database.run("UPDATE posting SET valid_through = now() - interval '1 s' WHERE id = %s", job)
    before, company = board.jobs.job(job, lambda: board.user)
    assert Upkeep(board.database, board, shipped_rates()).expire() == 1
    after, _ = board.jobs.job(job, lambda: board.user)
    assert after.posting.state == "expired"
    assert (after.json(company), after.tag(company)) == (before.json(company), before.tag(company))
    assert ".expired-" in after.tag(company)


def test_cluster_is_settled_with_the_expiry_itself(board: Board) -> None:
    """A worker that dies right after the commit leaves nobody shown under the places of what has expired."""
    shown = board.offer(places=(Place("DE"),), valid_through=NOW + timedelta(days=9))
    hidden = board.offer(places=(Place("FR"),), valid_through=NOW + timedelta(days=8))
    board.database.run("UPDATE posting SET valid_through = now() - interval '1 s' WHERE id = %s", hidden)
    board.database.run("DELETE FROM outbox")
    board.fails = True
    with pytest.raises(NotFinal):
        Upkeep(board.database, board, shipped_rates()).expire()
    terms = "SELECT DISTINCT catalogue_keys(terms) FROM posting WHERE shown"
    assert {key for (key,) in board.database.all(terms)} == {"catalogue", "catalogue:DE"}
    noted = {key for (key,) in board.database.all("SELECT key FROM outbox")}
    assert noted == {f"job:{shown}", "catalogue", "catalogue:DE", "catalogue:FR"}
