"""Registering and logging in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.local.process import becomes_true
from tests.api_client import PASSWORD, Api, Person

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


def test_registering_returns_the_user_without_the_password(api: Api) -> None:
    email = api.new_email()
    answer = api.post("auth/register", {"email": email, "password": PASSWORD, "name": "Ada"})
    assert answer.status_code == 201
    user = answer.json()
    assert set(user) == {"id", "email", "name", "headline", "created_at", "updated_at", "version", "verified_at"}
    assert (user["email"], user["name"], user["headline"]) == (email, "Ada", "")
    assert isinstance(user["id"], int)
    assert user["created_at"].endswith("Z")


def test_address_in_other_case_is_taken(api: Api) -> None:
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
def test_password_of_any_script_and_length_is_accepted(api: Api, password: str) -> None:
    email = api.register(password=password).email
    assert api.login(email, password).status_code == 200
    assert api.login(email, password[:-1] + "?").status_code == 401


def test_unicode_equivalent_passwords_are_the_same(api: Api) -> None:
    email = api.register(password="caf\u00e9 au lait").email
    assert api.login(email, "cafe\u0301 au lait").status_code == 200


def test_login_returns_tokens_with_no_store(api: Api) -> None:
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


@pytest.mark.parametrize(
    "spell",
    [
        lambda email: f" {email}\r\n",
        lambda email: f"\u3000{email}\u00a0",
        lambda email: email.upper().replace("K", "\u212a"),
        lambda email: email.replace("s", "\u017f"),
        lambda email: email.replace("example.com", "\uff25xample\u3002com"),
    ],
)
def test_all_spellings_of_an_address_are_one_account(api: Api, spell: Callable[[str], str]) -> None:
    email = f"kiss.{api.new_email()}"
    body = {"email": spell(email), "password": PASSWORD, "name": "Ada"}
    registered = api.post("auth/register", body)
    assert (registered.status_code, registered.json()["email"]) == (201, email)
    assert [api.post("auth/register", body | {"email": each}).status_code for each in (email, spell(email))] == [
        409
    ] * 2
    assert [api.login(each).status_code for each in (email, spell(email))] == [200] * 2


def test_unicode_and_punycode_domains_are_one_address(api: Api) -> None:
    local = api.new_email().partition("@")[0]
    body = {"email": f"{local}@b\u00fccher.example", "password": PASSWORD, "name": "Ada"}
    assert api.post("auth/register", body).json()["email"] == f"{local}@xn--bcher-kva.example"
    assert api.login(f"{local}@xn--Bcher-kva.example").status_code == 200
    assert api.login(f"{local}@Bu\u0308cher.example").status_code == 200


@pytest.mark.parametrize("letter", ["\u0130", "\u0131", "\uff49"])
def test_lookalike_letter_does_not_match_an_account(api: Api, letter: str) -> None:
    email = f"i.{api.register().email}"
    answer = api.login(letter + email[1:])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_security_events_are_in_the_audit_log(api: Api) -> None:
    user = api.register()
    api.login(user.email, "not the password")
    user.log_in()
    user.send("POST", "auth/logout")
    assert api.audited(user.id) == ["registered", "login_failed", "logged_in", "logged_out"]


@pytest.mark.parametrize("password", ["8 is few", "x" * 255 + "y", "\U0001f512" * 8 + "key"])
def test_passwords_at_the_length_limits_are_accepted(api: Api, password: str) -> None:
    assert api.login(api.register(password=password).email, password).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "7 chars"),
        ("password", "x" * 256 + "y"),
        ("name", "   "),
        ("name", "Ada\0"),
        ("name", "Ada\u007f"),
        ("name", "a" * 101),
        ("name", "\u200b"),
        ("name", "\u202e"),
        ("name", "\u0085"),
        ("name", "\u3000"),
        ("name", "Ada\u2028"),
        ("email", "ada"),
        ("email", "ada@"),
        ("email", "@example.com"),
        ("email", "ada@example..com"),
        ("email", "ada@-example.com"),
        ("email", "ada lovelace@example.com"),
        ("email", "ada@example\n.com"),
        ("email", "ada\0@example.com"),
        ("email", "ad\u00e4@example.com"),
        ("email", "ad\u0131@example.com"),
        ("email", "\uff41da@example.com"),
        ("email", "a" * 65 + "@example.com"),
        ("email", "ada@" + ".".join(["a" * 60] * 5)),
    ],
)
def test_a_bad_field_is_named(api: Api, field: str, value: str) -> None:
    body = {"email": api.new_email(), "password": PASSWORD, "name": "Ada"} | {field: value}
    answer = api.post("auth/register", body)
    assert answer.status_code == 422
    assert [(each["field"], each["code"]) for each in answer.json()["fields"]] == [(field, "invalid")]


@pytest.mark.parametrize("name", ["A", "\u200fעדה", "a" * 100, "\U0001f469\u200d\U0001f680"])
def test_name_of_any_script_is_accepted(api: Api, name: str) -> None:
    body = {"email": api.new_email(), "password": PASSWORD, "name": name}
    assert api.post("auth/register", body).json()["name"] == name


def test_registering_returns_a_location_and_fills_the_cache(api: Api, person: Person) -> None:
    """A worker uses cached values only if they are newer than its first read of the log, so each reads it first."""

    def all_have_looked() -> bool:
        assert api.fresh().get("users/me", person.token).status_code == 200
        return all(api.gauges("jobfinder_sessions_cached").values())

    assert becomes_true(all_have_looked, 30)
    answer = api.post("auth/register", {"email": api.new_email(), "password": PASSWORD, "name": "Ada"})
    assert answer.headers["Location"] == f"/api/v1/users/{answer.json()['id']}"
    before = api.get("health/metrics").json()["performance"]["cache_misses"]
    for _ in range(10):
        assert api.fresh().get(f"users/{answer.json()['id']}", person.token).json()["name"] == "Ada"
    assert api.get("health/metrics").json()["performance"]["cache_misses"] == before


def test_one_of_many_concurrent_registrations_gets_the_address(api: Api) -> None:
    body = {"email": api.new_email(), "password": PASSWORD, "name": "Ada"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.fresh().post("auth/register", body), range(8)))
    assert sorted(each.status_code for each in answers) == [201] + [409] * 7


def test_a_password_is_kept_as_a_hash(api: Api) -> None:
    ((stored,),) = api.query("SELECT password_hash FROM users WHERE id = %s", (api.register().id,))
    assert bytes(stored).startswith(b"$2b$04$")


def test_every_security_event_is_in_the_audit_log(api: Api) -> None:
    person = api.person()
    person.refresh()
    others = [person.elsewhere() for _ in range(3)]
    (ended, *_) = [each["id"] for each in person.get("auth/sessions").json()["sessions"] if not each["current"]]
    person.send("DELETE", f"auth/sessions/{ended}")
    person.send("POST", "auth/password", json={"current": "wrong", "new": "another long walk"})
    person.send("POST", "auth/password", json={"current": PASSWORD, "new": "another long walk"})
    person.send("POST", "auth/logout?scope=all")
    assert api.login(person.email, "another long walk").status_code == 200
    assert api.audited(person.id) == [
        "registered", "logged_in", "refreshed", *["logged_in"] * len(others), "session_ended", "login_failed",
        "password_changed", "logged_out_everywhere", "logged_in",
    ]  # fmt: skip
