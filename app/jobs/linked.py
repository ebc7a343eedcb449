"""Open postings as schema.org JobPosting, with the properties that Google for Jobs asks for.

https://developers.google.com/search/docs/appearance/structured-data/job-posting
"""

from typing import Any

import msgspec

from app.companies.schemas import CompanyFact
from app.jobs.schemas import Detail, Place, Posting, Salary

JSON_LD = "application/ld+json"
_TYPES = {"contract": "CONTRACTOR", "internship": "INTERN"}


def job_posting(posting: Posting, company: CompanyFact) -> bytes:
    """The JSON-LD of an open posting; what is unknown is left out."""
    said, brief = posting.detail, company.brief
    described = {
        "@context": "https://schema.org/",
        "@type": "JobPosting",
        "title": posting.title,
        "description": posting.description,
        "identifier": _thing("PropertyValue", name=brief.name, value=said.external_id or str(posting.id)),
        "datePosted": (posting.published_at or posting.first_seen_at).isoformat(),
        "validThrough": posting.valid_through.isoformat(),
        "employmentType": [_TYPES.get(each, each.upper()) for each in said.employment_type] or None,
        "hiringOrganization": _thing("Organization", name=brief.name),
        "jobLocation": [_location(place) for place in said.places] or None,
        "baseSalary": None if said.salary is None else _salary(said.salary),
        "skills": ", ".join(said.skills) or None,
        "inLanguage": said.language or None,
        "totalJobOpenings": said.openings,
        "directApply": said.apply.kind == "internal",
        **_remote(said),
    }
    return msgspec.json.encode({name: value for name, value in described.items() if value is not None})


def _remote(said: Detail) -> dict[str, Any]:
    """TELECOMMUTE is for work that can be done from anywhere in the countries named, and is refused without them."""
    countries = said.eligible_countries or tuple(dict.fromkeys(place.country for place in said.places))
    if said.workplace != "remote" or not countries:
        return {}
    required = [_thing("Country", name=code) for code in countries]
    return {"jobLocationType": "TELECOMMUTE", "applicantLocationRequirements": required}


def _location(place: Place) -> dict[str, Any]:
    address = _thing(
        "PostalAddress", addressLocality=place.city, addressRegion=place.region, addressCountry=place.country
    )
    spot = None if place.lat is None else _thing("GeoCoordinates", latitude=place.lat, longitude=place.lon)
    return _thing("Place", address=address, geo=spot)


def _salary(salary: Salary) -> dict[str, Any]:
    unit = salary.unit.upper()
    if salary.min is None or salary.max is None or salary.min == salary.max:
        value = _thing("QuantitativeValue", value=salary.max if salary.min is None else salary.min, unitText=unit)
    else:
        value = _thing("QuantitativeValue", minValue=salary.min, maxValue=salary.max, unitText=unit)
    return _thing("MonetaryAmount", currency=salary.currency, value=value)


def _thing(kind: str, **said: Any) -> dict[str, Any]:
    return {"@type": kind} | {name: value for name, value in said.items() if value is not None}
