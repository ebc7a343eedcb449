"""How many statements each field of GraphQL costs where nothing is cached: as many for several objects as for one."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from graphql import build_schema

from app.alerts.board import saved_searches
from app.alerts.schemas import NewSavedSearch
from app.applications.board import ApplicationBoard
from app.applications.schemas import NewApplication
from app.auth.schemas import Client
from app.coherence import Coherence
from app.companies.service import CompanyService
from app.companies.store import CompanyStore
from app.config import Caches, DatabaseTuning, Settings
from app.graphql.loading import Budget, Services, Viewer
from app.graphql.schema import schema_text
from app.graphql.service import GraphQLService, Wanted
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.jobs.board import Common, job_board
from app.jobs.codes.salaries import shipped_rates
from app.jobs.service import follow_company
from app.users.service import UserService
from app.users.store import UserStore
from tests.conftest import LocalDatabase
from tests.integration.jobs.test_keys import MEMBER, OWNER
from tests.integration.jobs.workers import KINDS, CountedDatabase, Worker, stock

COMPANY = "company { id name description website }"
WHOLE_JOB = f"{COMPANY} posting {{ title {COMPANY} }}"
STATEMENTS = {
    "me": ("me { email }", 1),
    "user": ("user(id: USER) { name }", 1),
    "users": ("users(ids: [USER, OTHER]) { name }", 1),
    "company": ("company(id: COMPANY) { description }", 1),
    "companies": (f"companies {{ nodes {{ {COMPANY} }} }}", 1 + 1),
    "job": (f"job(id: JOB) {{ title {COMPANY} }}", 1 + 1),
    "jobs": (f"jobs(ids: JOBS) {{ title {COMPANY} }}", 1 + 1),
    "companyJobs": (f"companyJobs(companyId: COMPANY) {{ nodes {{ title {COMPANY} }} }}", 1 + 1 + 1),
    "search": (f"search(first: FIRST) {{ nodes {{ description {COMPANY} }} }}", 1),
    "applications": (
        f"applications(first: FIRST) {{ nodes {{ stage job {{ {COMPANY} posting {{ title {COMPANY} }} }} }} }}",
        1 + 1 + 1 + 1,
    ),
    "jobApplications": (
        f"jobApplications(jobId: JOB) {{ nodes {{ stage job {{ {COMPANY} posting {{ title {COMPANY} }} }} }} }}",
        1 + 1 + (1 + 1 + 1 + 1),
    ),
    "application": (
        f"application(id: APPLICATION) {{ history {{ at }} cv {{ at }} notes {{ text }} job {{ {WHOLE_JOB} }} }}",
        1 + 1 + (1 + 1 + 1) + (1 + 1 + 1),
    ),
    "savedSearches": ("savedSearches { name }", 1),
}
"""Each field, with the statements for its objects and for each level below; before them, where only members may ask,
one for the membership and one for the posting or the company. A search costs what it costs in the REST API, beside the
statement for its companies."""


class Counted:
    """GraphQL over services that cache nothing."""

    def __init__(self, url: str) -> None:
        self.database = database = CountedDatabase(url, DatabaseTuning(), prepared=False)
        database.run("TRUNCATE companies, users RESTART IDENTITY CASCADE")
        (self.user,), (self.other,) = (
            database.one(OWNER) or (0,),
            database.one(OWNER.replace("owner@", "other@")) or (0,),
        )
        (self.company,) = database.one("INSERT INTO companies (slug, name) VALUES ('k', 'K') RETURNING id") or (0,)
        database.run(MEMBER, self.company, self.user)
        counters, secret = Counters.create([], 1), "s" * 32
        coherence = Coherence(Memcache((), 250), database, counters, Caches(), KINDS)
        companies = CompanyService(CompanyStore(database), coherence, follow_company)
        board = job_board(database, coherence, companies, Common(secret.encode(), shipped_rates()), counters)
        applications = ApplicationBoard(database, board.jobs, companies, Settings(pepper=secret)).service
        saved = saved_searches(database, board, Settings(pepper=secret))
        users = UserService(UserStore(database), coherence)
        self.worker = Worker(database, coherence, companies, board, self.user, self.company)
        self.jobs = stock(self.worker)
        sent = [applications.apply(job, self.user, NewApplication(), None)[0].id for job in self.jobs]
        self.application = sent[0]
        saved.create(self.user, NewSavedSearch("Mine", "q=nurse"), "en")
        self.worker.search("limit=1")  # the first search reads what later ones remember
        services = Services(users, companies, board, applications, saved)
        self.graphql = GraphQLService(services, lambda user_id, activity: None, introspection=False)

    def cost(self, query: str, objects: int) -> int:
        """The statements of a query for one object or for more."""
        before = self.database.statements
        answer = self.answer(query, objects)
        assert "errors" not in answer, answer
        return self.database.statements - before

    def answer(self, query: str, objects: int, fragments: str = "") -> dict[str, Any]:
        """The answer to a query for one object or for more."""
        names = {
            "USER": self.user, "OTHER": self.other, "COMPANY": self.company, "JOBS": self.jobs[:objects],
            "JOB": self.jobs[0], "FIRST": objects, "APPLICATION": self.application,
        }  # fmt: skip
        for name, value in names.items():
            query = re.sub(rf"\b{name}\b", str(value), query)
        viewer = Viewer(self.user, None, "", partial(Client, None, "", ""), Budget())
        ready = self.graphql.prepare(Wanted(f"{{ {query} }} {fragments}"))
        answer: dict[str, Any] = msgspec.json.decode(self.graphql.run(ready, viewer, "").body)
        return answer


@pytest.fixture(scope="module")
def counted(database: LocalDatabase) -> Iterator[Counted]:
    found = Counted(database.direct_url)
    yield found
    found.database.close()
    direct = Database(database.direct_url, DatabaseTuning(), prepared=False)
    direct.run("TRUNCATE companies, users CASCADE")
    direct.run("DELETE FROM outbox")
    direct.close()


def test_every_field_of_the_query_has_a_number() -> None:
    query = build_schema(schema_text()).query_type
    assert query is not None
    assert set(STATEMENTS) == set(query.fields)


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("objects", [1, 4])
def test_each_level_costs_one_statement_whatever_the_number_of_objects(
    counted: Counted, name: str, objects: int
) -> None:  # fmt: skip
    query, expected = STATEMENTS[name]
    found = counted.cost(query, objects)
    assert found == (counted.worker.cost(f"limit={objects}") + expected if name == "search" else expected)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("jobs(ids: JOBS) { title }", None),
        ("jobs(ids: JOBS) { description }", "answer_too_large"),
        ("a: job(id: JOB) { ...Text } b: job(id: JOB) { ...Text }", "answer_too_large"),
        ("a: job(id: JOB) { ...Text }", None),
        ('search(q: "nurse") { edges { node { title } } }', None),
        ('search(q: "nurse") { edges { node { description } } }', "answer_too_large"),
    ],
)
def test_texts_of_an_answer_are_bounded(
    counted: Counted, monkeypatch: pytest.MonkeyPatch, query: str, code: str | None
) -> None:  # fmt: skip
    monkeypatch.setattr("app.graphql.loading.POSTINGS_BYTES", 25_000)
    for job in counted.jobs[:2]:
        counted.worker.patch(job, description=f"<p>{'You care. ' * 1_500}</p>")
    answer = counted.answer(query, 2, "fragment Text on Job { description }" if "Text" in query else "")
    assert [each["extensions"]["code"] for each in answer.get("errors", [])] == ([code] if code else [])


def test_what_nobody_asks_for_costs_nothing(counted: Counted) -> None:
    assert counted.cost("companies { nodes { role company { id slug name verified } } }", 4) == 1
    assert counted.cost("applications { nodes { job { title company { name } } } }", 4) == 1
    assert counted.cost("application(id: APPLICATION) { stage letter answers { answer } }", 1) == 1 + 1
    assert counted.cost("a: me { id } b: me { id }", 1) == 2
