"""Registering and logging in."""

import pytest

from tests.api_client import PASSWORD, Api

BAD_BODIES = [
    (b"", 400, "malformed_json"),
    (b"{", 400, "malformed_json"),
    (b"[]", 400, "malformed_json"),
    (b"{}", 422, "invalid"),
    (b'{"email": 1, "password": 2, "name": 3}', 422, "invalid"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES)
@pytest.mark.parametrize("path", ["auth/register", "auth/login", "auth/refresh"])
def test_a_bad_body_gets_a_clear_problem(api: Api, path: str, body: bytes, status: int, code: str) -> None:
    answer = api.send("POST", path, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["auth/register", "auth/login", "auth/refresh"])
def test_a_body_of_another_type_is_refused(api: Api, path: str) -> None:
    assert api.send("POST", path, data="email=x").status_code == 415


def test_registering_answers_the_user_without_the_password(api: Api) -> None:
    email = api.new_email()
    answer = api.post("auth/register", {"email": email, "password": PASSWORD, "name": "Ada"})
    assert answer.status_code == 201
    user = answer.json()
    assert set(user) == {"id", "email", "name", "headline", "created_at", "updated_at", "version"}
    assert (user["email"], user["name"], user["headline"]) == (email, "Ada", "")
    assert isinstance(user["id"], int)
    assert user["created_at"].endswith("Z")


def test_an_address_is_taken_whatever_its_case(api: Api) -> None:
    email = api.register().email
    answer = api.post("auth/register", {"email": email.upper(), "password": PASSWORD, "name": "Eve"})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


def test_every_bad_field_is_named_at_once(api: Api) -> None:
    answer = api.post("auth/register", {"email": "nobody", "password": "short", "name": "", "admin": True})
    assert answer.status_code == 422
    fields = {each["field"]: each["code"] for each in answer.json()["fields"]}
    assert fields == {"email": "invalid", "password": "invalid", "name": "invalid", "admin": "unknown"}


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "12345678", "aaaaaaaaaaaa", "qwertyuiop"])
def test_a_common_password_is_refused(api: Api, password: str) -> None:
    answer = api.post("auth/register", {"email": api.new_email(), "password": password, "name": "Ada"})
    assert [each["code"] for each in answer.json()["fields"]] == ["common_password"]


def test_a_password_that_resembles_the_address_is_refused(api: Api) -> None:
    email = api.new_email()
    answer = api.post("auth/register", {"email": email, "password": email.partition("@")[0] + "1", "name": "Ada"})
    assert [each["code"] for each in answer.json()["fields"]] == ["resembles_email"]


@pytest.mark.parametrize("password", ["långt lösenord ☃", "密码密码密码密码", "x y" * 30, "p" * 72 + "1"])
def test_a_password_of_any_script_and_length_works(api: Api, password: str) -> None:
    email = api.register(password=password).email
    assert api.login(email, password).status_code == 200
    assert api.login(email, password[:-1] + "?").status_code == 401


def test_equivalent_spellings_of_a_password_are_the_same(api: Api) -> None:
    email = api.register(password="caf\u00e9 au lait").email
    assert api.login(email, "cafe\u0301 au lait").status_code == 200


def test_a_login_answers_tokens_that_no_cache_may_keep(api: Api) -> None:
    answer = api.login(api.register().email)
    assert answer.status_code == 200
    tokens = answer.json()
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(api: Api) -> None:
    wrong = api.login(api.register().email, "not the password")
    unknown = api.login(api.new_email(), "not the password")
    assert wrong.status_code == unknown.status_code == 401
    assert "WWW-Authenticate" in wrong.headers
    assert wrong.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}


def test_a_login_compares_the_address_without_case(api: Api) -> None:
    assert api.login(api.register().email.upper()).status_code == 200


def test_security_events_are_in_the_audit_log(api: Api) -> None:
    user = api.register()
    api.login(user.email, "not the password")
    user.log_in()
    user.send("POST", "auth/logout")
    assert api.audited(user.id) == ["registered", "login_failed", "logged_in", "logged_out"]
