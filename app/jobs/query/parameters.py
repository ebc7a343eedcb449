"""Parameters of a search: each is known and valid, or the error names it."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import FieldError, Invalid
from app.jobs.codes.salaries import PER_YEAR
from app.jobs.codes.vocabulary import (
    CONFIGURATIONS,
    EMPLOYMENT_TYPES,
    SENIORITIES,
    WORKPLACES,
    countries,
    currencies,
    languages,
)
from app.jobs.query.expression import LENGTH_MAX, Expression, parse
from app.jobs.texts.words import folded
from app.web.converters import parse_id
from app.web.texts import checked_text

SORTS = ("relevance", "published", "salary", "distance")
FACETS = ("employment_type", "workplace", "seniority", "country", "region", "city", "company", "skill", "language")
VALUES_MAX = 50
RADIUS_KM = (1.0, 500.0)
DEFAULT_RADIUS_KM = 25.0
DEFAULT_LIMIT, LIMIT_MAX = 20, 100
TEXT_MAX = 100
GREATEST_SALARY = 1_000_000_000
DAYS_MAX = 365
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True)
class Point:
    """Degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """A valid search; a parameter that was not given is empty or None."""

    q: Expression = ()
    lang: str = "en"
    company: tuple[int, ...] = ()
    company_not: tuple[int, ...] = ()
    employment_type: tuple[str, ...] = ()
    workplace: tuple[str, ...] = ()
    seniority: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    skill: tuple[str, ...] = ()
    skill_all: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    city: tuple[str, ...] = ()
    near: Point | None = None
    radius_km: float = DEFAULT_RADIUS_KM
    eligible_from: str = ""
    salary_min: float | None = None
    salary_currency: str = ""
    salary_unit: str = "year"
    salary_unknown: str = ""
    posted_within_days: int | None = None
    verified: bool = False
    sort: str = "published"
    limit: int = DEFAULT_LIMIT
    cursor: str = ""
    total: bool = False
    facets: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class Refused(ValueError):
    """A value that is not valid, and the known one that is spelled most like it."""

    def __init__(self, code: str, message: str, did_you_mean: str | None = None) -> None:
        super().__init__(message)
        self.code, self.did_you_mean = code, did_you_mean


@dataclass(frozen=True, slots=True)
class Parameter:
    """How one parameter is read; `several` may be repeated, with `commas` also separated by commas."""

    read: Callable[[str], Any]
    several: bool = False
    commas: bool = False


def read(given: Mapping[str, Sequence[str]], lang: str, fields: Collection[str]) -> Wanted:
    """`given` has the texts of each parameter in their order; `lang` is that of Accept-Language, if it is supported.

    Raises Invalid that names every bad parameter, each with what was probably meant.
    """
    problems: list[FieldError] = []
    values: dict[str, Any] = {"lang": lang}
    known = _known(fields)
    for name, texts in given.items():
        if name not in known:
            problems.append(unknown_name(name, known))
            continue
        try:
            values[name.replace(".", "_")] = _value(known[name], texts)
        except Refused as refused:
            problems.append(FieldError(name, refused.code, str(refused), refused.did_you_mean))
    values.setdefault("sort", "relevance" if values.get("q") else "published")
    problems += _contradictions(values, {problem.field for problem in problems})
    if problems:
        raise Invalid(problems)
    return Wanted(**values)


def meant(value: str, known: Collection[str]) -> str | None:
    """The known value that is spelled most like `value`, None if none is similar."""
    spelling = {folded(each): each for each in known}
    found = difflib.get_close_matches(folded(value), list(spelling), n=1)
    return spelling[found[0]] if found else None


def listed(name: str, texts: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    """The values of a parameter that may be repeated or separated by commas, and their errors.

    At most as many as there are `known` values.
    """
    values = [part for text in texts for part in text.split(",")]
    if len(values) > len(known):
        return [], [FieldError(name, "too_many", f"at most {len(known)} values")]
    problems = [
        FieldError(name, "unknown_value", "this value is unknown", meant(value[:TEXT_MAX], known))
        for value in values
        if value not in known
    ]
    return list(dict.fromkeys(values)), problems


def chosen(given: Mapping[str, Sequence[str]], name: str, known: Sequence[str]) -> list[str] | None:
    """The values of a parameter that `listed` reads, None without it. Raises Invalid."""
    if name not in given:
        return None
    values, problems = listed(name, given[name], known)
    if problems:
        raise Invalid(problems)
    return values


def some_of(values: Sequence[str]) -> dict[str, Any]:
    """The schema of a parameter that `listed` reads."""
    return {"type": "array", "items": {"type": "string", "enum": list(values)}, "minItems": 1, "maxItems": len(values)}


def _value(parameter: Parameter, texts: Sequence[str]) -> Any:
    if parameter.commas:
        texts = [part for text in texts for part in text.split(",")]
    if not parameter.several:
        if len(texts) > 1:
            raise Refused("repeated", "it can be given only once")
        return parameter.read(texts[0])
    if len(texts) > VALUES_MAX:
        raise Refused("too_many", f"at most {VALUES_MAX} values")
    return tuple(dict.fromkeys(parameter.read(text) for text in texts))


def unknown_name(name: str, known: Collection[str]) -> FieldError:
    """The error for a parameter that is none of `known`."""
    return FieldError(name[:100], "unknown", "this parameter is unknown", meant(name[:100], known))


def _contradictions(values: Mapping[str, Any], bad: Collection[str]) -> list[FieldError]:
    def lacks(name: str) -> bool:
        return name not in values and name not in bad

    sort = values.get("sort")
    rules = [
        ("radius_km", "radius_km" in values and lacks("near"), "a radius needs near"),
        ("sort", sort == "distance" and lacks("near"), "the distance needs near"),
        ("sort", sort == "relevance" and lacks("q"), "relevance needs q"),
        ("salary_min", "salary_min" in values and lacks("salary_currency"), "an amount needs salary_currency"),
        ("salary_currency", "salary_currency" in values and lacks("salary_min"), "a currency needs salary_min"),
        ("salary_unit", "salary_unit" in values and lacks("salary_min"), "a unit needs salary_min"),
    ]
    return [FieldError(name, "incomplete", message) for name, broken, message in rules if broken]


def _words(text: str) -> Expression:
    if len(text) > LENGTH_MAX:
        raise Refused("too_long", f"at most {LENGTH_MAX} characters")
    try:
        return parse(text)
    except ValueError as error:
        raise Refused("no_words", str(error)) from None


def _one_of(known: Collection[str]) -> Callable[[str], str]:
    return lambda text: _listed(text, known)


def _listed(text: str, known: Collection[str]) -> str:
    if text not in known:
        raise Refused("unknown_value", "this value is unknown", meant(text[:TEXT_MAX], known))
    return text


def _country(text: str) -> str:
    """A code in capital letters; for a name or a code in small letters the error proposes the code."""
    if text not in countries():
        codes = {name: code for code, name in countries().items()}
        named = meant(text[:TEXT_MAX], codes) if len(text) > 2 else None
        small = text.upper() if text.upper() in countries() else None
        raise Refused("unknown_value", "a country is a code of ISO 3166-1, as DE", codes.get(named or "", small))
    return text


def _text(text: str) -> str:
    if not 1 <= len(text) <= TEXT_MAX:
        raise Refused("invalid", f"1 to {TEXT_MAX} characters")
    try:
        return " ".join(checked_text(text).split())
    except ValueError as error:
        raise Refused("invalid", str(error)) from None


def _company(text: str) -> int:
    number = parse_id(text)
    if number is None:
        raise Refused("invalid", "the id of a company")
    return number


def _point(text: str) -> Point:
    parts = text.split(",")
    if len(parts) == 2:
        lat, lon = _decimal(parts[0].strip()), _decimal(parts[1].strip())
        if -90 <= lat <= 90 and -180 <= lon <= 180:
            return Point(lat, lon)
    raise Refused("invalid", "latitude and longitude in degrees, as 52.52,13.4")


def _decimal(text: str) -> float:
    if len(text) > 40 or not _NUMBER.match(text):
        raise Refused("invalid", "a decimal number")
    return float(text)


def _between(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        found = _decimal(text)
        if not least <= found <= most:
            raise Refused("out_of_range", f"from {least:g} to {most:g}")
        return found

    return number


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise Refused("out_of_range", f"a whole number from {least} to {most}")
        return int(text)

    return number


def _boolean(text: str) -> bool:
    return _listed(text, ("true", "false")) == "true"


def _cursor(text: str) -> str:
    if not text or len(text) > 500:
        raise Refused("invalid", "not a cursor of this service")
    return text


def _several(known: Callable[[], Collection[str]]) -> Parameter:
    return Parameter(lambda text: _listed(text, known()), several=True, commas=True)


def _known(fields: Collection[str]) -> dict[str, Parameter]:
    return PARAMETERS | {"fields": _several(lambda: fields)}


PARAMETERS: dict[str, Parameter] = {
    "q": Parameter(_words),
    "lang": Parameter(_one_of(tuple(CONFIGURATIONS))),
    "company": Parameter(_company, several=True, commas=True),
    "company.not": Parameter(_company, several=True, commas=True),
    "employment_type": _several(lambda: EMPLOYMENT_TYPES),
    "workplace": _several(lambda: WORKPLACES),
    "seniority": _several(lambda: SENIORITIES),
    "language": _several(languages),
    "skill": Parameter(_text, several=True),
    "skill.all": Parameter(_text, several=True),
    "country": Parameter(_country, several=True, commas=True),
    "region": Parameter(_text, several=True),
    "city": Parameter(_text, several=True),
    "near": Parameter(_point),
    "radius_km": Parameter(_between(*RADIUS_KM)),
    "eligible_from": Parameter(_country),
    "salary_min": Parameter(_between(0, GREATEST_SALARY)),
    "salary_currency": Parameter(lambda text: _listed(text, currencies())),
    "salary_unit": Parameter(_one_of(tuple(PER_YEAR))),
    "salary_unknown": Parameter(_one_of(("include", "exclude"))),
    "posted_within_days": Parameter(_whole(1, DAYS_MAX)),
    "verified": Parameter(_boolean),
    "sort": Parameter(_one_of(SORTS)),
    "limit": Parameter(_whole(1, LIMIT_MAX)),
    "cursor": Parameter(_cursor),
    "total": Parameter(_boolean),
    "facets": _several(lambda: FACETS),
}
