"""Reading and validating bodies."""

import json
from collections.abc import Callable
from typing import Any

import falcon
import pytest
from falcon.testing import create_environ

from app.auth.schemas import Registration
from app.errors import BadRequest, Invalid, UnsupportedMediaType
from app.jobs.schemas import NewJob
from app.users.schemas import Profile, ProfilePatch
from app.web.bodies import JSON, MERGE_PATCH, _checked, converted, read_json, read_one_of, refuse_coding

GOOD = {"email": "ada@example.com", "password": "a long walk", "name": "Ada"}


def request(body: bytes, content_type: str = "application/json") -> falcon.Request:
    return falcon.Request(create_environ(method="POST", body=body, headers={"Content-Type": content_type}))


def problems(body: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read_json(request(json.dumps(body).encode()), Registration)
    return {each.field: each.code for each in caught.value.fields}


def test_valid_body_is_converted() -> None:
    assert read_json(request(json.dumps(GOOD).encode()), Registration) == Registration(**GOOD)  # type: ignore[arg-type]


def test_every_bad_field_is_named_at_once() -> None:
    found = problems({"email": "nobody", "password": "short", "nickname": "A"})
    assert found == {"email": "invalid", "password": "invalid", "name": "required", "nickname": "unknown"}


def test_the_first_twenty_bad_fields_are_named_and_all_of_them_counted() -> None:
    body = {"email": "nobody", "name": "Ada"} | {f"field{number}": number for number in range(100_000)}
    with pytest.raises(Invalid) as caught:
        read_json(request(json.dumps(body).encode()), Registration)
    named = [each.field for each in caught.value.fields]
    assert named == ["email", "password", *(f"field{number}" for number in range(18))]
    assert caught.value.count == 100_002
    assert len(caught.value.detail) < 2000


def test_only_named_unknown_fields_are_examined() -> None:
    looked: list[str] = []

    class Name(str):
        __slots__ = ()

        def __getitem__(self, index: Any) -> str:
            looked.append(self)
            return str(self)[index]

    with pytest.raises(Invalid) as caught:
        converted({Name(number): 0 for number in range(1000)}, Profile)
    assert (len(looked), caught.value.count) == (20, 1000)


@pytest.mark.parametrize("value", [None, 1, [], {}, "", " ", "a\x00b", "a\nb", "a" * 101])
def test_a_bad_name_is_refused(value: object) -> None:
    assert problems(GOOD | {"name": value}) == {"name": "invalid"}


@pytest.mark.parametrize(
    "value", ["a@b@c", "@example.com", "ada@", "ada@-x.com", "a b@example.com", "ä@example.com", "a@b\n.com"]
)
def test_a_bad_address_is_refused(value: str) -> None:
    assert problems(GOOD | {"email": value}) == {"email": "invalid"}


def test_email_is_converted_to_canonical_form() -> None:
    registration = read_json(request(json.dumps(GOOD | {"email": " Ada@B\u00dcCHER.example\n"}).encode()), Registration)
    assert registration.email == "ada@xn--bcher-kva.example"


@pytest.mark.parametrize("field", ["name", "headline"])
@pytest.mark.parametrize("value", ["\u200b", "\u202e", "\x85", "\u3000", "Ada\x85"])
def test_invisible_text_is_refused_in_every_field(field: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_json(request(json.dumps({field: value}).encode()), Profile)
    assert [(each.field, each.code) for each in caught.value.fields] == [(field, "invalid")]


def test_missing_field_of_a_patch_stays_unset() -> None:
    profile = read_json(request(b'{"name": "Grace"}'), Profile)
    assert (profile.name, isinstance(profile.headline, str)) == ("Grace", False)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"name": "\\ud800b"}', b"null", b"\xff", b'{"a":' * 5000])
def test_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_json(request(body), Registration)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_media_types_are_refused(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_json(request(b"{}", content_type), Registration)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("POST", {"Accept": "application/json", "Accept-Post": "application/json"}),
        ("PATCH", {"Accept": "application/json", "Accept-Patch": "application/json"}),
        ("DELETE", {"Accept": "application/json"}),
    ],
)
def test_refused_media_type_lists_accepted_ones(method: str, expected: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        read_json(falcon.Request(create_environ(method=method, body=b"{}")), Registration)
    assert caught.value.headers() == expected


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "x", "identity, gzip", "gzip, identity", "identity;q=1"])
def test_a_content_coding_is_refused(coding: str) -> None:
    req = falcon.Request(create_environ(method="POST", headers={"Content-Encoding": coding}))
    with pytest.raises(UnsupportedMediaType) as caught:
        refuse_coding(req)
    assert caught.value.headers() == {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("coding", ["identity", "Identity", "", " , ", "identity,identity"])
def test_identity_coding_is_accepted(coding: str) -> None:
    refuse_coding(falcon.Request(create_environ(method="POST", headers={"Content-Encoding": coding})))


def test_null_clears_optional_fields_in_a_merge_patch_only() -> None:
    shapes: dict[str, type[Profile | ProfilePatch]] = {JSON: Profile, MERGE_PATCH: ProfilePatch}
    assert read_one_of(request(b'{"headline": null}', MERGE_PATCH), shapes) == ProfilePatch(headline=None)
    for body, media_type in ((b'{"name": null}', MERGE_PATCH), (b'{"headline": null}', JSON)):
        with pytest.raises(Invalid):
            read_one_of(request(body, media_type), shapes)


def read_job(**said: Any) -> NewJob:
    body = {"title": "Nurse", "description": "<p>You care.</p>"} | said
    return read_json(request(json.dumps(body).encode()), NewJob)


def test_an_integer_may_be_written_with_a_point() -> None:
    assert repr(read_job(openings=3.0).openings) == "3"
    with pytest.raises(Invalid):
        read_job(openings=3.5)


def test_texts_inside_lists_and_shapes_are_checked_as_well() -> None:
    assert read_job(skills=["Go"], places=[{"country": "DE", "city": "Bonn"}]).skills == ("Go",)
    for said in (
        {"skills": ["Go", "a\nb"]},
        {"places": [{"country": "DE", "city": "\0"}]},
        {"places": [{"country": "XX"}]},
        {"apply": {"questions": [{"text": "\u2028"}]}},
    ):
        with pytest.raises(Invalid) as caught:
            read_job(**said)
        assert [each.field for each in caught.value.fields] == list(said)


@pytest.mark.parametrize(
    "said",
    [
        {"skills": ["Go"], "places": [{"country": "DE", "city": "Bonn"}], "valid_through": "2030-01-01T02:00:00+02:00"},
        {"openings": 3.0, "language": None, "salary": {"currency": "EUR", "unit": "year", "min": 3, "max": 4.5}},
        {"title": "\u00adNurse", "skills": ["\u00ad"]},
        {"title": "", "strange": 1},
        {"strange": 1},
        {"apply": {"kind": "url", "strange": 1}, "workplace": "remot"},
    ],
)
def test_the_short_way_of_valid_bodies_gives_the_same(said: dict[str, Any]) -> None:
    def outcome(convert: Callable[[dict[str, Any], type[NewJob]], NewJob]) -> object:
        try:
            return convert({"title": "Nurse", "description": "<p>You care.</p>"} | said, NewJob)
        except Invalid as error:
            return [(each.field, each.code, each.message, each.did_you_mean) for each in error.fields]

    assert outcome(converted) == outcome(_checked)
