"""A company that imports, over the services themselves: no HTTP, and no other worker that has to learn of changes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.auth.gate import SESSION_KIND
from app.coherence import Coherence, Kinds
from app.companies.service import COMPANY_KIND, CompanyService
from app.companies.store import CompanyStore
from app.config import Caches, DatabaseTuning
from app.imports.board import Imports, import_services
from app.imports.lines import lines_of
from app.imports.schemas import LineReport
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.jobs.board import Board, Common, job_board
from app.jobs.codes.salaries import shipped_rates
from app.jobs.facts import JOB_KIND
from app.jobs.outcomes import SEARCH_KIND
from app.jobs.service import follow_company
from app.users.service import USER_KIND

OWNER = "INSERT INTO users (email, password_hash, name) VALUES ('owner@imports.example', '', 'Ada') RETURNING id"
COMPANY = "INSERT INTO companies (slug, name) VALUES ('imports', 'Imports') RETURNING id"
MEMBER = "INSERT INTO company_members (company_id, user_id, role) VALUES (%s, %s, 'owner')"


def line(number: int, **said: Any) -> bytes:
    """A line of an import, in English."""
    body = {
        "external_id": f"j-{number}",
        "title": f"Nurse {number}",
        "description": f"<p>You care for {number} patients.</p>",
        "language": "en",
        "places": [{"country": "DE", "city": "Berlin"}],
    }
    return msgspec.json.encode(body | said)


@dataclass
class Office:
    """A company that imports; `heard` are the keys of each publication."""

    database: Database
    board: Board
    imports: Imports
    user: int
    company: int
    heard: list[set[str]] = field(default_factory=list)

    def final(self, keys: Sequence[str], xid: str | None, *, security: bool) -> None:
        self.heard.append(set(keys))
        self.database.run("DELETE FROM outbox WHERE xid = %s::xid8 OR key = ANY (%s)", xid, list(keys))

    def send(self, *raws: bytes, chunk: int = 250) -> list[LineReport]:
        return self.imports.importer.write(self.company, "ats", list(lines_of(raws)), chunk)

    def states(self) -> dict[str, str]:
        sql = "SELECT external_id, state FROM posting_origin JOIN posting ON id = posting_id"
        return dict(self.database.all(sql))


@contextmanager
def office_at(url: str, *, direct: bool = True) -> Iterator[Office]:
    """An office on an empty database; `direct` is whether `url` is PostgreSQL's own."""
    database = Database(url, DatabaseTuning(), prepared=False, direct=direct)
    database.run("TRUNCATE companies, users RESTART IDENTITY CASCADE")
    user, company = database.one(OWNER), database.one(COMPANY)
    assert user is not None
    assert company is not None
    database.run(MEMBER, *company, *user)
    kinds = Kinds(USER_KIND, SESSION_KIND, COMPANY_KIND, JOB_KIND, SEARCH_KIND)
    counters = Counters.create([], 1)
    coherence = Coherence(Memcache((), 250), database, counters, Caches(), kinds)
    companies = CompanyService(CompanyStore(database), coherence, follow_company)
    board = job_board(database, coherence, companies, Common(b"x" * 32, shipped_rates()), counters)
    made = Office(database, board, import_services(database, coherence, board.bulk), user[0], company[0])
    setattr(coherence, "final", made.final)  # noqa: B010
    yield made
    database.run("TRUNCATE companies, users CASCADE")
    database.run("DELETE FROM outbox")
    database.close()
