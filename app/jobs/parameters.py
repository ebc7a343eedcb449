"""The parameters of a search as the OpenAPI description has them."""

from typing import Any

from app.jobs.codes.salaries import PER_YEAR
from app.jobs.codes.vocabulary import CONFIGURATIONS, EMPLOYMENT_TYPES, SENIORITIES, WORKPLACES, currencies, languages
from app.jobs.query.expression import LENGTH_MAX
from app.jobs.query.parameters import (
    DAYS_MAX,
    DEFAULT_LIMIT,
    DEFAULT_RADIUS_KM,
    FACETS,
    GREATEST_SALARY,
    LIMIT_MAX,
    RADIUS_KM,
    SORTS,
    TEXT_MAX,
    VALUES_MAX,
)
from app.jobs.schemas import FIELDS
from app.web.converters import ID_SCHEMA
from app.web.openapi.operations import Parameter
from app.web.pages import SEALED_CURSOR
from app.web.texts import VISIBLE_TEXT
from app.web.vocabulary import COUNTRIES

_TEXT = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX, "pattern": VISIBLE_TEXT}
_SWITCH = {"type": "boolean"}


def _listed(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _several(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": VALUES_MAX}


def _query(name: str, schema: dict[str, Any], description: str, *, repeated: bool = False) -> Parameter:
    return Parameter(name, "query", schema, description, repeated=repeated)


def searched() -> tuple[Parameter, ...]:
    """Everything that `GET /jobs` takes."""
    radius = {"type": "number", "minimum": RADIUS_KM[0], "maximum": RADIUS_KM[1], "default": DEFAULT_RADIUS_KM}
    return (
        _query(
            "q",
            {"type": "string", "minLength": 1, "maxLength": LENGTH_MAX},
            'words that must all occur; OR between alternatives, -word excludes, "a phrase" of the title, begin*',
        ),
        _query("lang", _listed(CONFIGURATIONS), "language of `q`; default: the best of Accept-Language, else English"),
        _query("company", _several(ID_SCHEMA), "ids"),
        _query("company.not", _several(ID_SCHEMA), "ids of companies to exclude"),
        _query("employment_type", _several(_listed(EMPLOYMENT_TYPES)), "one of them"),
        _query("workplace", _several(_listed(WORKPLACES)), "one of them"),
        _query("seniority", _several(_listed(SENIORITIES)), "one of them"),
        _query("language", _several(_listed(languages())), "language of the posting"),
        _query("skill", _several(_TEXT), "one of them", repeated=True),
        _query("skill.all", _several(_TEXT), "all of them", repeated=True),
        _query(
            "country", _several(_listed(COUNTRIES)), "one group with region, city and near: one of all these places"
        ),
        _query("region", _several(_TEXT), "as `Bayern`, or `Bayern, DE`", repeated=True),
        _query("city", _several(_TEXT), "as `Paris`, or `Paris, FR`", repeated=True),
        _query(
            "near",
            {"type": "string", "pattern": r"^-?[0-9]{1,2}(\.[0-9]{1,9})?,-?[0-9]{1,3}(\.[0-9]{1,9})?$"},
            "latitude and longitude in degrees, as 52.52,13.4",
        ),
        _query("radius_km", radius, "around `near`"),
        _query(
            "eligible_from",
            _listed(COUNTRIES),
            "work there, or remote work from there; last, where no country is named",
        ),
        _query("salary_min", {"type": "number", "minimum": 0, "maximum": GREATEST_SALARY}, "top of the range at least"),
        _query("salary_currency", _listed(currencies()), "of `salary_min`"),
        _query("salary_unit", _listed(PER_YEAR) | {"default": "year"}, "of `salary_min`"),
        _query("salary_unknown", _listed(("include", "exclude")), "excluded where `salary_min` is given"),
        _query("posted_within_days", {"type": "integer", "minimum": 1, "maximum": DAYS_MAX}, ""),
        _query("verified", _SWITCH, "of verified companies only"),
        _query("sort", _listed(SORTS), "default: relevance with `q`, else the newest first"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": DEFAULT_LIMIT}, ""),
        _query("cursor", SEALED_CURSOR, "`next` of the page before"),
        _query("total", _SWITCH, "also count the matches, up to 10,000"),
        _query("facets", _several(_listed(FACETS)), "count values of these parameters"),
        _query("fields", _several(_listed(FIELDS)), "of each posting; default: all except the description"),
    )
