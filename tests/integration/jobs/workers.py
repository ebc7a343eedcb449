"""Workers that search: the services of a board with caches of their own, and how many statements they cost."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.auth.gate import SESSION_KIND
from app.coherence import Coherence, Kinds
from app.companies.service import COMPANY_KIND, CompanyService
from app.companies.store import CompanyStore
from app.config import Caches, DatabaseTuning
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.jobs.board import Board, Common, job_board
from app.jobs.codes.salaries import shipped_rates
from app.jobs.facts import JOB_KIND
from app.jobs.outcomes import SEARCH_KIND
from app.jobs.schemas import JobPatch, NewJob, Place
from app.jobs.service import follow_company
from app.users.service import USER_KIND
from tests.integration.coherence.workers import eventually

KINDS = Kinds(USER_KIND, SESSION_KIND, COMPANY_KIND, JOB_KIND, SEARCH_KIND)
NEW_COMPANY = "INSERT INTO companies (slug, name) VALUES ('k', 'K') RETURNING id"


class CountedDatabase(Database):
    """Counts the statements."""

    statements = 0

    def all(self, *args: Any) -> list[tuple[Any, ...]]:
        self.statements += 1
        return super().all(*args)

    def one(self, *args: Any) -> tuple[Any, ...] | None:
        self.statements += 1
        return super().one(*args)


@dataclass
class Worker:
    """The services of one worker, with caches of its own."""

    database: CountedDatabase
    coherence: Coherence
    companies: CompanyService
    board: Board
    user: int = 0
    company: int = 0

    def search(self, query: str) -> dict[str, Any]:
        given: dict[str, list[str]] = {}
        for part in query.split("&"):
            name, _, text = part.partition("=")
            given.setdefault(name, []).append(text)
        found: dict[str, Any] = json.loads(self.board.searches.search(given, "")[0])
        return found

    def ids(self, query: str) -> list[int]:
        return [item["id"] for item in self.search(query)["items"]]

    def cost(self, query: str) -> int:
        """The statements of a search."""
        before = self.database.statements
        self.search(query)
        return self.database.statements - before

    def offer(self, **said: Any) -> int:
        made, _ = self.board.jobs.create(self.company, self.user, NewJob("Nurse", "<p>You care.</p>", **said))
        return made.posting.id

    def patch(self, job_id: int, **said: Any) -> None:
        self.board.jobs.change(job_id, self.user, JobPatch(**said), None)


def start(url: str, address: str) -> Worker:
    database = CountedDatabase(url, DatabaseTuning(), prepared=False)
    counters = Counters.create([], 1)
    coherence = Coherence(Memcache((address,), 1000), database, counters, Caches(), KINDS)
    companies = CompanyService(CompanyStore(database), coherence, follow_company)
    common = Common(b"s" * 32, shipped_rates())
    worker = Worker(database, coherence, companies, job_board(database, coherence, companies, common, counters))
    eventually(coherence.leased)
    return worker


def stock(worker: Worker) -> list[int]:
    """Postings of all sorts."""
    said: Sequence[dict[str, Any]] = (
        {"places": (Place("DE", city="Berlin"),), "skills": ("Care",)},
        {"places": (Place("AT", city="Wien"),), "employment_type": ("full_time",)},
        {"places": (Place("FR", city="Paris"),), "openings": 2},
        {"workplace": "remote", "eligible_countries": ("DE",)},
        {"workplace": "remote"},
    )
    return [worker.offer(**each) for each in said]
