"""Shapes of what searches answer."""

from datetime import datetime

from msgspec import UNSET, Struct, UnsetType

from app.companies.schemas import CompanyBrief
from app.jobs.schemas import Apply, EmploymentType, Place, Salary, Seniority, State, Workplace
from app.users.schemas import Id

UNLESS_ASKED = ("description",)
"""What results show only where `fields` asks for it."""


class AlsoAt(Struct, frozen=True):
    """Another posting of the same work elsewhere."""

    id: Id
    places: tuple[Place, ...]


class Result(Struct, frozen=True, omit_defaults=True):
    """A posting that was found, with the fields that `fields` asks for, else all but the description."""

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
    """One value, as the parameter takes it, with what people call it."""

    value: str
    label: str
    count: int


class Facet(Struct, frozen=True):
    """The most frequent values of a parameter, of which its own filter leaves nothing out."""

    id: str
    values: list[FacetValue]
    exact: bool


class Conversions(Struct, frozen=True):
    """How salaries were made comparable: working hours of a year, and the day of the exchange rates."""

    hours_per_year: int
    rates_of: str


class Correction(Struct, frozen=True):
    """A word that hardly any posting has, and one that was probably meant."""

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
