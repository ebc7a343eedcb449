"""Shapes of postings in requests and responses."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.companies.schemas import CompanyBrief
from app.jobs.codes.vocabulary import currencies, languages
from app.jobs.texts.cleaning import DESCRIPTION_MAX, cleaned
from app.users.schemas import Id
from app.web.texts import people_text
from app.web.vocabulary import Country

SALARY_MAX = 1_000_000_000
PLACES_MAX, SKILLS_MAX, QUESTIONS_MAX, COUNTRIES_MAX = 20, 50, 20, 250

EmploymentType = Literal[
    "full_time", "part_time", "contract", "temporary", "internship", "volunteer", "per_diem", "other"
]
Workplace = Literal["onsite", "hybrid", "remote"]
Seniority = Literal["internship", "entry", "mid", "senior", "lead", "executive"]
State = Literal["draft", "open", "closed", "expired"]
Unit = Literal["hour", "day", "week", "month", "year"]


def _known_language(code: str) -> str:
    if code not in languages():
        raise ValueError("is no language of ISO 639-1, such as en")
    return code


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; raises ValueError outside the years 1 to 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time is out of range") from None


Title = Annotated[str, people_text(1, 200, "Nurse for the night shift")]
Description = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=DESCRIPTION_MAX,
        description="HTML of p, br, ul, ol, li, b, strong, i, em, h2, h3 and a[href]; everything else is cleaned away",
        examples=["<p>You care for <b>20 patients</b>.</p>"],
        extra_json_schema={"pattern": "[^\\s<>]"},
        extra={"parse": cleaned},
    ),
]
Currency = Annotated[
    str,
    Meta(
        min_length=3, max_length=3, pattern="^[A-Z]{3}\\Z", description="ISO 4217", examples=["EUR"],
        extra_json_schema={"enum": list(currencies())},
    ),
]  # fmt: skip
Language = Annotated[
    str,
    Meta(
        min_length=2, max_length=2, pattern="^[a-z]{2}\\Z", description="ISO 639-1; found out where it is missing",
        examples=["en"], extra_json_schema={"enum": list(languages())}, extra={"parse": _known_language},
    ),
]  # fmt: skip
PlaceName = Annotated[str, people_text(1, 100, "Berlin")]
Skill = Annotated[str, people_text(1, 60, "Python")]
Moment = Annotated[
    datetime, Meta(tz=True, description="RFC 3339", examples=["2030-01-01T00:00:00Z"], extra={"parse": in_utc})
]
Amount = Annotated[float, Meta(ge=0, le=SALARY_MAX)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the work is done; coordinates are in degrees, by default those of the city if it is known."""

    country: Country
    region: PlaceName | None = None
    city: PlaceName | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None


class Salary(Struct, frozen=True, forbid_unknown_fields=True):
    """A range of pay; `min` or `max` may be missing."""

    currency: Currency
    unit: Unit
    min: Amount | None = None
    max: Amount | None = None


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A question that applicants answer."""

    text: Annotated[str, people_text(1, 300, "When can you begin?")]
    required: bool = False


class Apply(Struct, frozen=True, forbid_unknown_fields=True):
    """How to apply: in this service, or at the URL or email address in `target`."""

    kind: Literal["internal", "url", "email"] = "internal"
    target: Annotated[str, Meta(max_length=500, examples=["https://acme.example/jobs/1"])] | None = None
    questions: Annotated[tuple[Question, ...], Meta(max_length=QUESTIONS_MAX)] = ()


class Detail(Struct, frozen=True, forbid_unknown_fields=True):
    """The stored fields of a posting except title and description."""

    employment_type: tuple[EmploymentType, ...] = ()
    workplace: Workplace = "onsite"
    seniority: Seniority | None = None
    places: tuple[Place, ...] = ()
    eligible_countries: tuple[str, ...] = ()
    salary: Salary | None = None
    skills: tuple[str, ...] = ()
    language: str = ""
    openings: int = 1
    apply: Apply = Apply()
    source: str = ""
    external_id: str = ""


EmploymentTypes = Annotated[tuple[EmploymentType, ...], Meta(max_length=8)]
Places = Annotated[tuple[Place, ...], Meta(max_length=PLACES_MAX)]
Countries = Annotated[tuple[Country, ...], Meta(max_length=COUNTRIES_MAX, description="for remote work; none: unknown")]
Skills = Annotated[tuple[Skill, ...], Meta(max_length=SKILLS_MAX)]
Openings = Annotated[int, Meta(ge=1, le=10_000)]


class JobContent(Struct, forbid_unknown_fields=True):
    """What a company says of a posting; searches find it until `valid_through`, by default for 60 days."""

    title: Title
    description: Description
    employment_type: EmploymentTypes = ()
    workplace: Workplace = "onsite"
    seniority: Seniority | None = None
    places: Places = ()
    eligible_countries: Countries = ()
    salary: Salary | None = None
    skills: Skills = ()
    language: Language | None = None
    openings: Openings = 1
    apply: Apply = Apply()
    valid_through: Moment | None = None


class NewJob(JobContent, forbid_unknown_fields=True):
    """A new posting, open unless `state` is draft."""

    state: Literal["draft", "open"] = "open"


class JobPatch(Struct, forbid_unknown_fields=True):
    """Missing fields stay, null clears optional ones (RFC 7396), and lists are replaced as a whole."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    state: Literal["open", "closed"] | UnsetType = UNSET
    employment_type: EmploymentTypes | UnsetType = UNSET
    workplace: Workplace | UnsetType = UNSET
    seniority: Seniority | UnsetType | None = UNSET
    places: Places | UnsetType = UNSET
    eligible_countries: Countries | UnsetType = UNSET
    salary: Salary | UnsetType | None = UNSET
    skills: Skills | UnsetType = UNSET
    language: Language | UnsetType | None = UNSET
    openings: Openings | UnsetType = UNSET
    apply: Apply | UnsetType = UNSET
    valid_through: Moment | UnsetType = UNSET


class TakenDown(Struct, frozen=True):
    """When an administrator closed a posting for good, and the reason given."""

    at: datetime
    reason: str


class Posting(Struct, frozen=True):
    """A posting as stored and cached, without its company."""

    id: Id
    company_id: Id
    state: State
    version: int
    title: str
    description: str
    detail: Detail
    published_at: datetime | None
    valid_through: datetime
    first_seen_at: datetime
    content_changed_at: datetime
    taken_down: TakenDown | None = None


class Job(Struct, frozen=True):
    """A posting; times are UTC."""

    id: Id
    company: CompanyBrief
    title: str
    description: str
    employment_type: tuple[EmploymentType, ...]
    workplace: Workplace
    seniority: Seniority | None
    places: tuple[Place, ...]
    eligible_countries: tuple[str, ...]
    salary: Salary | None
    skills: tuple[str, ...]
    language: str
    openings: int
    apply: Apply
    state: State
    published_at: datetime | None
    valid_through: datetime
    first_seen_at: datetime
    content_changed_at: datetime
    source: str
    external_id: str
    version: int
    taken_down: TakenDown | None


class Jobs(Struct, frozen=True):
    """Postings of a company, the highest id first; `next` is the cursor of the next page."""

    jobs: list[Job]
    next: str | None


class JobBatch(Struct, frozen=True):
    """Open postings in the requested order, and the ids without an open posting."""

    jobs: list[Job]
    missing: list[Id]


ALL_FIELDS = tuple(each.name for each in msgspec.structs.fields(Job))
FIELDS = tuple(name for name in ALL_FIELDS if name != "taken_down")
"""Those that search results can have: an open posting is not taken down."""
