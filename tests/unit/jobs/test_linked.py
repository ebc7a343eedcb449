"""JSON-LD: the properties that Google for Jobs requires, recommends and forbids."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator
from pyld import jsonld

from app.companies.schemas import Company, CompanyFact
from app.jobs.linked import job_posting
from app.jobs.schemas import Apply, Detail, Place, Posting, Salary

NOW = datetime(2030, 1, 1, tzinfo=UTC)
COMPANY = CompanyFact(Company(1, "acme", "Acme", True, "", None, None, NOW, NOW, 1), '"1-1"')
BERLIN = Place("DE", "Berlin", "Berlin", 52.5, 13.4)
REQUIRED = {"@context", "@type", "title", "description", "datePosted", "hiringOrganization"}
REMOTE = {"jobLocationType", "applicantLocationRequirements"}

MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$"}
TEXT = {"type": "string", "minLength": 1}


def thing(kind: str, required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """The schema of a nested item, which has no other properties."""
    properties = {"@type": {"const": kind}, **required, **optional}
    return {
        "type": "object", "properties": properties, "required": ["@type", *required], "additionalProperties": False
    }  # fmt: skip


def several(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1, "uniqueItems": True}


ADDRESS = thing("PostalAddress", {"addressCountry": TEXT}, addressLocality=TEXT, addressRegion=TEXT)
SPOT = thing("GeoCoordinates", {"latitude": {"type": "number"}, "longitude": {"type": "number"}})
UNIT = {"enum": ["HOUR", "DAY", "WEEK", "MONTH", "YEAR"]}
AMOUNT = {"type": "number", "minimum": 0}
PAY = {
    "oneOf": [
        thing("QuantitativeValue", {"value": AMOUNT, "unitText": UNIT}),
        thing("QuantitativeValue", {"minValue": AMOUNT, "maxValue": AMOUNT, "unitText": UNIT}),
    ]
}
GOOGLE = {
    **thing(
        "JobPosting",
        {
            "@context": {"const": "https://schema.org/"},
            "title": TEXT,
            "description": TEXT,
            "datePosted": MOMENT,
            "hiringOrganization": thing("Organization", {"name": TEXT}),
        },
        identifier=thing("PropertyValue", {"name": TEXT, "value": TEXT}),
        validThrough=MOMENT,
        employmentType=several({
            "enum": [
                "FULL_TIME", "PART_TIME", "CONTRACTOR", "TEMPORARY", "INTERN", "VOLUNTEER", "PER_DIEM", "OTHER",
            ]
        }),
        jobLocation=several(thing("Place", {"address": ADDRESS}, geo=SPOT)),
        jobLocationType={"const": "TELECOMMUTE"},
        applicantLocationRequirements=several(thing("Country", {"name": TEXT})),
        baseSalary=thing("MonetaryAmount", {"currency": {"pattern": "^[A-Z]{3}$"}, "value": PAY}),
        directApply={"type": "boolean"},
        skills=TEXT,
        inLanguage=TEXT,
        totalJobOpenings={"type": "integer", "minimum": 1},
    ),
    "dependentRequired": {
        "jobLocationType": ["applicantLocationRequirements"],
        "applicantLocationRequirements": ["jobLocationType"],
    },
}  # fmt: skip
"""What Google's page requires, and no property besides: those that it recommends, and three of schema.org's own."""

EVERYTHING: dict[str, Any] = {
    "employment_type": ("full_time", "contract"),
    "workplace": "remote",
    "places": (BERLIN, Place("FR")),
    "eligible_countries": ("DE", "FR"),
    "salary": Salary("EUR", "year", 1, 2),
    "skills": ("Python", "SQL"),
    "language": "en",
    "openings": 3,
    "external_id": "REQ-7",
}


def linked(**said: Any) -> dict[str, Any]:
    posting = Posting(7, 1, "open", 1, "Nurse", "<p>You care.</p>", Detail(**said), NOW, NOW, NOW, NOW)
    found: dict[str, Any] = msgspec.json.decode(job_posting(posting, COMPANY))
    return found


@pytest.mark.parametrize(
    ("said", "present", "absent"),
    [
        ({"places": (BERLIN,)}, {"jobLocation"}, REMOTE | {"baseSalary", "employmentType", "skills"}),
        ({"places": (BERLIN,), "workplace": "hybrid"}, {"jobLocation"}, REMOTE),
        ({"workplace": "remote", "eligible_countries": ("DE",)}, REMOTE, {"jobLocation"}),
        ({"workplace": "remote", "places": (BERLIN,)}, REMOTE | {"jobLocation"}, set()),
        ({"workplace": "remote"}, set(), REMOTE | {"jobLocation"}),
        ({"employment_type": ("full_time",), "skills": ("Python",)}, {"employmentType", "skills"}, REMOTE),
        ({"salary": Salary("EUR", "year", 1, 2)}, {"baseSalary"}, REMOTE),
    ],
)
def test_required_properties_are_there_and_forbidden_ones_are_not(
    said: dict[str, Any], present: set[str], absent: set[str]
) -> None:
    found = linked(**said)
    assert found.keys() >= REQUIRED | present | {"validThrough", "identifier", "directApply"}
    assert not found.keys() & absent
    assert "null" not in msgspec.json.encode(found).decode()


@pytest.mark.parametrize(
    ("salary", "value"),
    [
        (Salary("EUR", "year", 1, 2), {"minValue": 1, "maxValue": 2, "unitText": "YEAR"}),
        (Salary("USD", "hour", None, 20), {"value": 20, "unitText": "HOUR"}),
        (Salary("USD", "month", 5, None), {"value": 5, "unitText": "MONTH"}),
    ],
)
def test_salaries_are_amounts_or_ranges(salary: Salary, value: dict[str, Any]) -> None:
    found = linked(salary=salary)["baseSalary"]
    assert found == {
        "@type": "MonetaryAmount",
        "currency": salary.currency,
        "value": {"@type": "QuantitativeValue"} | value,
    }


def test_values_are_those_of_the_vocabulary() -> None:
    every = ("full_time", "part_time", "contract", "temporary", "internship", "volunteer", "per_diem", "other")
    found = linked(employment_type=every, apply=Apply("url", "https://acme.example"))
    assert found["employmentType"] == [
        "FULL_TIME", "PART_TIME", "CONTRACTOR", "TEMPORARY", "INTERN", "VOLUNTEER", "PER_DIEM", "OTHER",
    ]  # fmt: skip
    assert found["directApply"] is False


def test_place_of_work_is_an_address_with_its_country() -> None:
    [location] = linked(places=(BERLIN,))["jobLocation"]
    assert location["address"]["addressCountry"] == "DE"
    assert location["geo"] == {"@type": "GeoCoordinates", "latitude": 52.5, "longitude": 13.4}
    [location] = linked(places=(Place("DE"),))["jobLocation"]
    assert location == {"@type": "Place", "address": {"@type": "PostalAddress", "addressCountry": "DE"}}


def test_remote_work_names_the_countries_of_applicants() -> None:
    found = linked(workplace="remote", eligible_countries=("DE", "PL"))
    assert found["jobLocationType"] == "TELECOMMUTE"
    assert [each["name"] for each in found["applicantLocationRequirements"]] == ["DE", "PL"]


@pytest.mark.parametrize("left_out", [None, *EVERYTHING])
@pytest.mark.parametrize("workplace", ["onsite", "hybrid", "remote"])
def test_linked_data_follow_the_rules_of_google(left_out: str | None, workplace: str) -> None:
    said = {name: value for name, value in (EVERYTHING | {"workplace": workplace}).items() if name != left_out}
    found = linked(**said)
    assert list(Draft202012Validator(GOOGLE).iter_errors(found)) == []
    assert ("jobLocation" in found) == (left_out != "places")
    remote = said.get("workplace") == "remote"
    assert ("jobLocationType" in found) == ("applicantLocationRequirements" in found) == remote


def faulty(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in (linked(**EVERYTHING) | said).items() if value is not None}


@pytest.mark.parametrize(
    "found",
    [
        *(faulty(**{name: None}) for name in sorted(REQUIRED)),
        faulty(applicantLocationRequirements=None),
        faulty(jobLocationType=None),
        faulty(jobLocationType="REMOTE"),
        faulty(employmentType=["full_time"]),
        faulty(employmentType=[]),
        faulty(datePosted="1 January"),
        faulty(jobLocation=[{"@type": "Place", "address": {"@type": "PostalAddress", "addressLocality": "Berlin"}}]),
        faulty(baseSalary={"@type": "MonetaryAmount", "currency": "EUR", "value": 5}),
        faulty(hiringOrganization={"@type": "Organization"}),
        faulty(seniority="lead"),
    ],
)
def test_rules_of_google_find_what_is_missing_or_forbidden(found: dict[str, Any]) -> None:
    assert list(Draft202012Validator(GOOGLE).iter_errors(found))


def test_linked_data_are_read_as_schema_org_by_a_parser() -> None:
    def context(url: str, _options: Any) -> dict[str, Any]:
        """Terms of schema.org that have no rules of their own in its context."""
        assert url == "https://schema.org/"
        return {"contextUrl": None, "documentUrl": url, "document": {"@context": {"@vocab": "http://schema.org/"}}}

    [node] = jsonld.expand(linked(**EVERYTHING), {"documentLoader": context})
    assert node["@type"] == ["http://schema.org/JobPosting"]
    assert node["http://schema.org/title"] == [{"@value": "Nurse"}]
    [where, _] = node["http://schema.org/jobLocation"]
    [address] = where["http://schema.org/address"]
    assert address["http://schema.org/addressLocality"] == [{"@value": "Berlin"}]
    assert len(node) == 1 + len(linked(**EVERYTHING)) - 2
