"""Shapes of search results."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from app.companies.schemas import CompanyBrief
from app.jobs.schemas import Apply, EmploymentType, Place, Salary, Seniority, State, Workplace
from app.users.schemas import Id

UNLESS_ASKED = ("description",)
"""Fields that results contain only if `fields` names them."""


class AlsoAt(Struct, frozen=True):
    """A near-duplicate of the posting, with its places."""

    id: Id
    places: tuple[Place, ...]


class Result(Struct, frozen=True, omit_defaults=True):
    """A matching posting with the fields named by `fields`, else with all except the description."""

    id: Id
    company: CompanyBrief
    title: str
    also_at: list[AlsoAt]
    description: str | UnsetType = UNSET
    employment_type: tuple[EmploymentType, ...] | UnsetType = UNSET
    workplace: Workplace | UnsetType = UNSET
    seniority: Seniority | UnsetType | None = UNSET
    places: tuple[Place, ...] | UnsetType = UNSET
    eligible_countries: tuple[str, ...] | UnsetType = UNSET
    salary: Salary | UnsetType | None = UNSET
    skills: tuple[str, ...] | UnsetType = UNSET
    language: str | UnsetType = UNSET
    openings: int | UnsetType = UNSET
    apply: Apply | UnsetType = UNSET
    state: State | UnsetType = UNSET
    published_at: datetime | UnsetType | None = UNSET
    valid_through: datetime | UnsetType = UNSET
    first_seen_at: datetime | UnsetType = UNSET
    content_changed_at: datetime | UnsetType = UNSET
    source: str | UnsetType = UNSET
    external_id: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    distance_m: int | UnsetType = UNSET


class Total(Struct, frozen=True):
    """How many postings match; at most 10,000 are counted."""

    value: int
    exact: bool


class FacetValue(Struct, frozen=True):
    """One value as the parameter takes it, with a label for people."""

    value: str
    label: str
    count: int


class Facet(Struct, frozen=True):
    """The most frequent values of a parameter, counted without the parameter's own filter."""

    id: str
    values: list[FacetValue]
    exact: bool


class Conversions(Struct, frozen=True):
    """How salaries are compared: working hours per year, and the day of the exchange rates."""

    hours_per_year: int
    rates_of: str


class Correction(Struct, frozen=True):
    """A word that very few postings contain, and a frequent word with a similar spelling."""

    word: str
    did_you_mean: str


class Found(Struct, frozen=True):
    """A page of results; `next` is the cursor of the next one."""

    items: list[Result]
    next: str | None
    total: Total | None
    facets: list[Facet]
    corrections: list[Correction]
    conversions: Conversions
    as_of: datetime
