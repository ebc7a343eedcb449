"""What fields of the schema have in common: who asks, and objects as dictionaries with the names of the REST API."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from app.alerts.service import SavedSearchService
from app.applications.service import ApplicationService
from app.auth.schemas import Client
from app.companies.schemas import CompanyFact
from app.companies.service import CompanyService
from app.errors import BadRequest, Unauthenticated
from app.graphql.asked import Asked
from app.jobs.board import Board
from app.jobs.facts import JobFact
from app.users.schemas import UserFact
from app.users.service import UserService
from app.web.converters import parse_id
from app.web.pages import PAGE_BYTES

BATCH_MAX = 100
POSTINGS_BYTES = 2 * PAGE_BYTES
BRIEF = frozenset({"id", "slug", "name", "verified", "__typename"})
"""Fields of a company that every posting and application has at hand."""

Found = dict[str, Any]
decode: Callable[[bytes], Found] = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Services:
    """The services whose data the schema shows."""

    users: UserService
    companies: CompanyService
    board: Board
    applications: ApplicationService
    saved: SavedSearchService


class AnswerTooLarge(BadRequest):
    """The texts that the fields ask for are too long together."""

    code, title = "answer_too_large", "The answer would be too large"


class Budget:
    """How many bytes the postings of one answer may still have."""

    def __init__(self) -> None:
        self._left = POSTINGS_BYTES

    def take(self, size: int) -> None:
        """Raises AnswerTooLarge."""
        self._left -= size
        if self._left < 0:
            raise AnswerTooLarge(f"its postings have more than {POSTINGS_BYTES >> 20} MiB; ask for fewer")


class Viewer(NamedTuple):
    """Who asks; `user` is the profile if the session check has just read it."""

    user_id: int | None
    user: UserFact | None
    language: str
    client_of: Callable[[], Client]
    budget: Budget

    @property
    def client(self) -> Client:
        """From where the request comes."""
        return self.client_of()

    @property
    def known(self) -> int:
        """The account's id; raises Unauthenticated."""
        if self.user_id is None:
            raise Unauthenticated
        return self.user_id


class Loading:
    """Loads what is asked below several objects with one call of a service."""

    def __init__(self, services: Services) -> None:
        self._companies, self._jobs = services.companies, services.board.jobs

    def open_jobs(self, viewer: Viewer, asked: Sequence[Asked], job_ids: Iterable[int]) -> dict[int, Found]:
        """The open postings among them, with what is asked of them and their companies. Raises AnswerTooLarge."""
        found = self._jobs.open_jobs(list(dict.fromkeys(job_ids)))
        return {each: posting(viewer, asked, *shown) for each, shown in found.items()}

    def complete(self, asked: Asked, found: Sequence[Found]) -> None:
        """Complete the companies of a connection's objects."""
        self.complete_companies(below(nodes(asked), "company"), found)

    def complete_companies(self, asked: Iterable[Asked], holders: Sequence[Found]) -> None:
        """Replace the companies, if more is asked of them than is at hand."""
        if any(each.plain - BRIEF for each in asked):
            facts = self._companies.companies_many(list(dict.fromkeys(each["company"]["id"] for each in holders)))
            for each in holders:
                if (fact := facts.get(each["company"]["id"])) is not None:
                    each["company"] = decode(fact.json)

    def complete_jobs(self, viewer: Viewer, asked: Sequence[Asked], jobs: Sequence[Found]) -> None:
        """Add to the jobs of applications what is asked of their companies and postings."""
        self.complete_companies(below(asked, "company"), jobs)
        if postings := below(asked, "posting"):
            opened = self.open_jobs(viewer, postings, (job["id"] for job in jobs))
            for job in jobs:
                job["posting"] = opened.get(job["id"])

    def complete_applications(self, viewer: Viewer, asked: Asked, found: Sequence[Found]) -> None:
        """The same for a connection of applications."""
        self.complete_jobs(viewer, below(nodes(asked), "job"), [each["job"] for each in found])


def posting(viewer: Viewer, asked: Sequence[Asked], fact: JobFact, company: CompanyFact) -> Found:
    """A posting with its whole company, and its description if that is asked for. Raises AnswerTooLarge."""
    described = any(each.asks("description") for each in asked)
    text = fact.json(company) if described else fact.undescribed(company)
    viewer.budget.take(len(text) + len(company.json))
    return decode(text) | {"company": decode(company.json)}


def below(asked: Iterable[Asked], name: str) -> list[Asked]:
    """Everything that is asked as `name` below any of `asked`."""
    return [found for each in asked for found in each.at(name)]


def nodes(asked: Asked) -> list[Asked]:
    """What is asked of the objects of a connection."""
    return [*asked.at("nodes"), *asked.at("edges", "node")]


def number(text: str) -> int:
    """The number of an id; raises BadRequest."""
    found = parse_id(text)
    if found is None:
        raise BadRequest("an id is a whole number above 0")
    return found


def numbers(ids: Sequence[str]) -> list[int]:
    """The numbers of 1 to BATCH_MAX ids; raises BadRequest."""
    if not 1 <= len(ids) <= BATCH_MAX:
        raise BadRequest(f"1 to {BATCH_MAX} ids are needed")
    return [number(each) for each in ids]
