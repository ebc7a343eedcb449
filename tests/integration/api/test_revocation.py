"""Ending a session by a token alone (RFC 7009)."""

import pytest
import requests

from tests.api_client import Api, Person

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def revoke(api: Api, **form: str) -> requests.Response:
    return api.send("POST", "auth/revoke", data=form)


def test_a_refresh_token_ends_its_session_at_once_for_every_worker(api: Api, person: Person) -> None:
    other = person.elsewhere()
    assert all(person.get("users/me").status_code == 200 for _ in range(20))
    form = f"a=1&token={person.refresh_token}&token_type_hint=refresh_token&a=2"
    answer = api.send("POST", "auth/revoke", data=form, headers=FORM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert {api.fresh().get("users/me", person.token).status_code for _ in range(20)} == {401}
    assert person.refresh().status_code == 401
    assert other.get("users/me").status_code == 200
    assert api.audited(person.id)[-1] == "token_revoked"


def test_a_revocation_can_be_repeated(api: Api, person: Person) -> None:
    assert [revoke(api, token=person.refresh_token).status_code for _ in range(3)] == [200, 200, 200]


def test_rotated_refresh_token_ends_its_session(api: Api, person: Person) -> None:
    first = person.refresh_token
    assert person.refresh().status_code == 200
    assert revoke(api, token=first).status_code == 200
    assert person.get("users/me").status_code == 401


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "something_else"])
def test_access_token_ends_its_session_with_any_hint(api: Api, person: Person, hint: str) -> None:
    assert revoke(api, token=person.token, token_type_hint=hint).status_code == 200
    assert person.get("users/me").status_code == 401


@pytest.mark.parametrize("token", ["x", "A" * 59, "ä", "a.b.c", "\0", "\U0001f600" * 500])
def test_an_unknown_token_is_no_error(api: Api, token: str) -> None:
    assert revoke(api, token=token).status_code == 200


def test_a_token_with_the_mac_of_another_session_ends_nothing(api: Api, person: Person) -> None:
    other = person.elsewhere()
    mixed = person.refresh_token[:16] + other.refresh_token[16:]
    assert revoke(api, token=mixed).status_code == 200
    assert person.get("users/me").status_code == other.get("users/me").status_code == 200


@pytest.mark.parametrize(
    "form", [b"", b"token=", b"token_type_hint=refresh_token", b"token=a&token=b", b"\xff", b"token=%ff"]
)
def test_a_form_without_one_token_is_refused(api: Api, form: bytes) -> None:
    answer = api.send("POST", "auth/revoke", data=form, headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_form_of_very_many_parameters_is_refused(api: Api, person: Person) -> None:
    answer = api.send("POST", "auth/revoke", data=f"token={person.refresh_token}" + "&a=b" * 200, headers=FORM)
    assert answer.status_code == 400


def test_json_body_is_refused(api: Api, person: Person) -> None:
    answer = api.post("auth/revoke", {"token": person.refresh_token})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer.json()["detail"] == "send Content-Type: application/x-www-form-urlencoded"
    assert person.get("users/me").status_code == 200
