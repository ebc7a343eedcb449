"""Size limits of bodies are computed from their types."""

import json
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

from app.alerts.schemas import NewSavedSearch, PreviewAsked, SavedSearchPatch
from app.applications.schemas import ApplicationPatch, NewApplication
from app.auth.schemas import Registration
from app.companies.schemas import CompanyPatch, NewCompany
from app.graphql.resources import BODY_MAX
from app.imports.resources import BYTES_MAX
from app.jobs.schemas import JobContent, JobPatch, NewJob
from app.routes import ROUTES
from app.users.schemas import Profile
from app.web.body_limits import SMALL_BODY, body_limits, largest_body
from app.web.openapi.operations import operations_of

LIMIT = body_limits(ROUTES)
ASTRAL = "\N{GRINNING FACE}"


class Wide(Struct):
    text: Annotated[str, Meta(max_length=1000)]
    number: int
    flag: bool | None
    inner: Profile


class Unbounded(Struct):
    text: str


def test_the_largest_valid_body_fits_however_it_is_encoded() -> None:
    body = {"email": f"{'a' * 64}@example.com", "password": ASTRAL * 256, "name": ASTRAL * 100}
    msgspec.convert(body, Registration)
    assert len(json.dumps(body, indent=4)) <= LIMIT("POST", "/api/v1/auth/register")
    profile = {"name": ASTRAL * 100, "headline": ASTRAL * 200}
    assert 3600 < len(json.dumps(profile, indent=4)) <= LIMIT("PATCH", "/api/v1/users/me")
    wide = {"text": ASTRAL * 1000, "number": -(2**63), "flag": False, "inner": profile}
    msgspec.convert(wide, Wide)
    assert len(json.dumps(wide, indent=4)) <= largest_body(Wide)


def test_limits_are_close_to_the_largest_valid_body() -> None:
    """Only descriptions of companies and postings, applications, and queries of searches, may be long."""
    described: dict[tuple[str, str], type[Struct]] = {
        ("/api/v1/companies", "post"): NewCompany,
        ("/api/v1/companies/{company_id:id}", "patch"): CompanyPatch,
        ("/api/v1/companies/{company_id:id}/jobs", "post"): NewJob,
        ("/api/v1/companies/{company_id:id}/jobs/{source:source}/{external_id:name}", "put"): JobContent,
        ("/api/v1/jobs/{job_id:id}", "patch"): JobPatch,
        ("/api/v1/saved-searches", "post"): NewSavedSearch,
        ("/api/v1/saved-searches/preview", "post"): PreviewAsked,
        ("/api/v1/saved-searches/{search_id:id}", "patch"): SavedSearchPatch,
        ("/api/v1/jobs/{job_id:id}/applications", "post"): NewApplication,
        ("/api/v1/applications/{application_id:id}", "patch"): ApplicationPatch,
    }
    lines = {
        "/api/v1/companies/{company_id:id}/jobs/import",
        "/api/v1/companies/{company_id:id}/feeds/{source:source}/runs/{run_id:id}/lines",
    }
    sizes = {(path, method): LIMIT(method.upper(), path) for path, kind in ROUTES for method, _ in operations_of(kind)}
    assert min(sizes.values()) == SMALL_BODY == 3072
    assert {each: size for each, size in sizes.items() if size >= 8000} == {
        each: largest_body(shape) for each, shape in described.items()
    } | {(path, "post"): BYTES_MAX for path in lines} | {
        ("/api/v1/applications/{application_id:id}/cv", "put"): 5 * 1024 * 1024,
        ("/graphql", "post"): BODY_MAX,
    }
    assert largest_body(NewCompany) < 45_000
    assert largest_body(NewJob) < 425_000 < BODY_MAX


def test_the_largest_posting_fits_in_every_script_as_escapes() -> None:
    letter = "\N{CJK UNIFIED IDEOGRAPH-5DE5}"
    place = {"country": "JP", "region": letter * 100, "city": letter * 100, "lat": -35.6895123, "lon": 139.6917123}
    question = {"text": letter * 300, "required": True}
    body = {
        "title": letter * 200,
        "description": letter * 50_000,
        "places": [place] * 20,
        "skills": [letter * 60] * 50,
        "apply": {"kind": "internal", "questions": [question] * 20},
        "eligible_countries": ["JP"] * 250,
        "valid_through": "2030-01-01T00:00:00.000000+00:00",
    }
    msgspec.convert(body, NewJob)
    assert len(json.dumps(body)) <= LIMIT("POST", "/api/v1/companies/1/jobs")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/none"),
        ("POST", "/api/v1/auth/register/"),
        ("GET", "/api/v1/auth/register"),
        ("PUT", "/api/v1/users/me"),
        ("POST", "/api/v1/auth/logout"),
        ("DELETE", "/api/v1/auth/sessions/1"),
        ("QUERY", "*"),
    ],
)
def test_request_without_a_described_body_has_the_small_limit(method: str, path: str) -> None:
    assert LIMIT(method, path) == SMALL_BODY


def test_templates_match_one_segment() -> None:
    class Documents:
        on_put = next(kind for path, kind in ROUTES if path == "/api/v1/users/me").on_patch  # type: ignore[attr-defined]

    limit = body_limits([("/documents/{name:id}/text", Documents)])
    assert limit("PUT", "/documents/7/text") == largest_body(Profile)
    assert limit("PUT", "/documents/7/8/text") == limit("PUT", "/documents//text") == SMALL_BODY


def test_a_shape_without_bounds_is_refused() -> None:
    with pytest.raises(TypeError, match="no maximum size"):
        largest_body(Unbounded)
