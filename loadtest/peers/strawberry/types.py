"""The types of the strawberry peer, with the names of our schema."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

import strawberry
from strawberry.types import Info


@strawberry.type
class User:
    """The account that asks."""

    id: strawberry.ID
    email: str
    name: str
    headline: str
    created_at: datetime
    updated_at: datetime
    version: int


@strawberry.type
class Company:
    """A company."""

    id: strawberry.ID
    slug: str
    name: str
    verified: bool
    description: str
    website: str | None


@strawberry.type
class Job:
    """A posting."""

    id: strawberry.ID
    company_id: strawberry.Private[int]
    title: str
    description: str
    published_at: datetime
    workplace: str
    employment_type: list[str]
    seniority: str | None
    skills: list[str]

    @strawberry.field
    async def company(self, info: Info[Any, None]) -> Company | None:
        found: Company | None = await info.context.companies.load(self.company_id)
        return found


@strawberry.type
class AppliedJob:
    """The posting of an application."""

    id: strawberry.ID
    title: str
    company_id: strawberry.Private[int]

    @strawberry.field
    async def company(self, info: Info[Any, None]) -> Company | None:
        found: Company | None = await info.context.companies.load(self.company_id)
        return found

    @strawberry.field
    async def posting(self, info: Info[Any, None]) -> Job | None:
        found: Job | None = await info.context.jobs.load(int(self.id))
        return found


@strawberry.type
class Application:
    """An application."""

    id: strawberry.ID
    stage: str
    created_at: datetime
    job: AppliedJob


@strawberry.type
class Connection:
    """A page of applications."""

    nodes: list[Application]


@strawberry.type
class FacetValue:
    """How often a value occurs."""

    value: str
    count: int


@strawberry.type
class Facet:
    """The values of a field."""

    id: str
    values: list[FacetValue]

    @classmethod
    def of(cls, name: str, rows: Iterable[Any]) -> Self:
        return cls(id=name, values=[FacetValue(value=value, count=count) for value, count in rows])


@strawberry.type
class Total:
    """How many match."""

    value: int
    exact: bool


@strawberry.type
class Page:
    """A page of a search."""

    nodes: list[Job]
    total: Total
    facets: list[Facet]
