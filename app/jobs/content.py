"""The content of a posting: validated as a whole and normalised."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from app.errors import FieldError, Invalid
from app.jobs.codes.gazetteer import gazetteer
from app.jobs.codes.vocabulary import currencies
from app.jobs.query.parameters import meant
from app.jobs.schemas import Apply, Detail, JobContent, JobPatch, Place, Posting, Salary
from app.jobs.texts.cleaning import text_of
from app.jobs.texts.detection import language_of
from app.jobs.texts.words import folded
from app.users.email import canonical_email
from app.web.vocabulary import COUNTRIES

OPEN_DAYS = 60
"""Days until a posting expires if `valid_through` is not given."""

_ADDRESS = re.compile(r"https?://[!-~]+\Z")
_SAID = frozenset(msgspec.structs.asdict(Detail()))


def new_posting(company_id: int, new: JobContent, now: datetime) -> Posting:
    """A draft with the given content. Raises Invalid."""
    until = new.valid_through or now + timedelta(days=OPEN_DAYS)
    said = _detail(Detail(), {name: value for name, value in _given(new).items() if name in _SAID})
    refuse(_problems(said, until, now))
    said = _language(said, new.title, new.description)
    return Posting(0, company_id, "draft", 1, new.title, new.description, said, None, until, now, now)


def changed_posting(posting: Posting, patch: JobPatch, now: datetime) -> Posting:
    """The posting with the patch, except its state. Raises Invalid, also for a given end in the past."""
    given = _given(patch)
    said = _detail(posting.detail, {name: value for name, value in given.items() if name in _SAID})
    until = given.get("valid_through", posting.valid_through)
    refuse(_problems(said, until if "valid_through" in given else None, now))
    texts = {name: given[name] for name in ("title", "description") if name in given}
    after = msgspec.structs.replace(posting, **texts, valid_through=until)
    return msgspec.structs.replace(after, detail=_language(said, after.title, after.description))


def refuse(problems: Iterator[FieldError]) -> None:
    """Raise Invalid if there are problems."""
    if found := list(problems):
        raise Invalid(found)


def late(until: datetime, now: datetime) -> Iterator[FieldError]:
    """The problem of an open posting that would already have expired."""
    if until <= now:
        yield FieldError("valid_through", "in_the_past", "the end must be in the future")


def _given(shape: JobContent | JobPatch) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(shape).items() if value is not UNSET}


def _detail(before: Detail, given: Mapping[str, Any]) -> Detail:
    """`before` with the given fields: no value twice, and coordinates of known cities filled in."""
    said = msgspec.structs.replace(
        before, **{**given, **({"language": given["language"] or ""} if "language" in given else {})}
    )
    skills = {folded(skill): skill for skill in (" ".join(each.split()) for each in reversed(said.skills))}
    return msgspec.structs.replace(
        said,
        employment_type=tuple(dict.fromkeys(said.employment_type)),
        eligible_countries=tuple(sorted(set(said.eligible_countries))),
        skills=tuple(reversed(skills.values())),
        places=tuple(dict.fromkeys(map(_located, said.places))),
    )


def _located(place: Place) -> Place:
    if place.city is None or place.lat is not None or place.lon is not None or place.country not in COUNTRIES:
        return place
    spot = gazetteer().find(place.country, place.city)
    return place if spot is None else msgspec.structs.replace(place, lat=spot[0], lon=spot[1])


def _language(said: Detail, title: str, description: str) -> Detail:
    if said.language:
        return said
    return msgspec.structs.replace(said, language=language_of(f"{title} {text_of(description)}"))


def _problems(said: Detail, until: datetime | None, now: datetime) -> Iterator[FieldError]:
    if said.eligible_countries and said.workplace != "remote":
        yield FieldError("eligible_countries", "not_remote", "only remote postings have eligible countries")
    for number, place in enumerate(said.places):
        yield from _place(f"places.{number}", place)
    for number, code in enumerate(said.eligible_countries):
        yield from _country(f"eligible_countries.{number}", code)
    if said.salary is not None:
        yield from _salary(said.salary)
    yield from _apply(said.apply)
    if until is not None:
        yield from late(until, now)


def _place(name: str, place: Place) -> Iterator[FieldError]:
    yield from _country(f"{name}.country", place.country)
    if (place.lat is None) != (place.lon is None):
        missing = "lat" if place.lat is None else "lon"
        yield FieldError(f"{name}.{missing}", "incomplete", "latitude and longitude must be given together")


def _country(name: str, code: str) -> Iterator[FieldError]:
    if code not in COUNTRIES:
        yield FieldError(name, "unknown_value", "a country is a code of ISO 3166-1, as DE")


def _salary(salary: Salary) -> Iterator[FieldError]:
    if salary.currency not in currencies():
        yield FieldError(
            "salary.currency",
            "unknown_value",
            "a currency is a code of ISO 4217, as EUR",
            meant(salary.currency, currencies()),
        )
    if salary.min is None and salary.max is None:
        yield FieldError("salary", "incomplete", "one of min and max is needed")
    elif salary.min is not None and salary.max is not None and salary.min > salary.max:
        yield FieldError("salary.min", "above_max", "min is above max")


def _apply(apply: Apply) -> Iterator[FieldError]:
    target = apply.target or ""
    if apply.kind == "internal" and target:
        yield FieldError("apply.target", "unknown", "applications of kind internal take no target")
    if apply.kind != "internal" and apply.questions:
        yield FieldError("apply.questions", "unknown", "only applications of kind internal have questions")
    if apply.kind == "url" and not _ADDRESS.match(target):
        yield FieldError("apply.target", "invalid", "an address of http or https is needed")
    if apply.kind == "email" and not _is_email(target):
        yield FieldError("apply.target", "invalid", "an e-mail address is needed")


def _is_email(text: str) -> bool:
    try:
        return canonical_email(text) == text
    except ValueError:
        return False
