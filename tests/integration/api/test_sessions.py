"""Refreshing, listing and ending sessions."""

import pytest

from tests.api_client import PASSWORD, Api, Person

NOT_A_TOKEN = ["", "x", "Bearer", "a.b.c", "eyJhbGciOiJub25lIn0.e30."]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", *[f"Bearer {text}" for text in NOT_A_TOKEN]]
)
@pytest.mark.parametrize("path", ["users/me", "users/1", "users/batch?ids=1", "auth/sessions"])
def test_without_a_valid_token_nothing_is_told(api: Api, path: str, header: str | None) -> None:
    answer = api.send("GET", path, headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_logged_out_token_is_refused_at_once_by_every_worker(api: Api, person: Person) -> None:
    assert all(person.get("users/me").status_code == 200 for _ in range(20))
    assert person.send("POST", "auth/logout").status_code == 204
    assert {api.fresh().get("users/me", person.token).status_code for _ in range(40)} == {401}


def test_a_logout_can_be_repeated(person: Person) -> None:
    assert [person.send("POST", "auth/logout").status_code for _ in range(3)] == [204, 204, 204]


def test_a_logout_ends_the_refresh_token_as_well(api: Api, person: Person) -> None:
    person.send("POST", "auth/logout")
    assert api.post("auth/refresh", {"refresh_token": person.refresh_token}).status_code == 401


def test_logging_out_everywhere_ends_every_session(api: Api, person: Person) -> None:
    other = person.elsewhere()
    assert person.send("POST", "auth/logout?scope=all").status_code == 204
    assert person.get("users/me").status_code == other.get("users/me").status_code == 401
    assert person.send("POST", "auth/logout?scope=all").status_code == 204
    assert person.elsewhere().get("users/me").status_code == 200


def test_a_token_that_was_ended_alone_cannot_end_the_others(person: Person) -> None:
    other = person.elsewhere()
    person.send("POST", "auth/logout")
    assert person.send("POST", "auth/logout?scope=all").status_code == 401
    assert other.get("users/me").status_code == 200


def test_an_unknown_scope_is_refused(person: Person) -> None:
    assert person.send("POST", "auth/logout?scope=galaxy").status_code == 400
    assert person.get("users/me").status_code == 200


def test_a_refresh_rotates(api: Api, person: Person) -> None:
    first = person.refresh_token
    assert person.refresh().status_code == 200
    assert person.refresh_token != first
    assert person.get("users/me").status_code == 200


def test_a_retried_refresh_gets_the_identical_token(api: Api, person: Person) -> None:
    given = {"refresh_token": person.refresh_token}
    answers = [api.post("auth/refresh", given).json()["refresh_token"] for _ in range(3)]
    assert len(set(answers)) == 1


def test_a_reused_refresh_token_ends_its_family(api: Api, person: Person) -> None:
    first = person.refresh_token
    person.refresh()
    person.refresh()
    assert api.post("auth/refresh", {"refresh_token": first}).status_code == 401
    assert person.get("users/me").status_code == 401
    assert person.refresh().status_code == 401
    assert "refresh_reused" in api.audited(person.id)


@pytest.mark.parametrize("token", ["x", "A" * 59, "A" * 60, "ä", "0" * 200])
def test_a_made_up_refresh_token_is_refused(api: Api, token: str) -> None:
    answer = api.post("auth/refresh", {"refresh_token": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_sessions_say_where_the_user_is_logged_in(person: Person) -> None:
    other = person.elsewhere(agent="another device")
    sessions = person.get("auth/sessions").json()["sessions"]
    assert [(each["current"], each["agent"]) for each in sessions] == [(False, "another device"), (True, "the tests")]
    assert {each["address"] for each in sessions} == {"127.0.0.1"}
    assert other.send("POST", "auth/logout").status_code == 204
    assert len(person.get("auth/sessions").json()["sessions"]) == 1


def test_one_session_can_be_ended(person: Person) -> None:
    other = person.elsewhere()
    (ended,) = [each["id"] for each in person.get("auth/sessions").json()["sessions"] if not each["current"]]
    assert person.send("DELETE", f"auth/sessions/{ended}").status_code == 204
    assert other.get("users/me").status_code == 401
    assert person.get("users/me").status_code == 200


@pytest.mark.parametrize("session", ["0", "-1", "x", "9223372036854775807", "9223372036854775808"])
def test_a_session_that_is_not_there_cannot_be_ended(person: Person, session: str) -> None:
    assert person.send("DELETE", f"auth/sessions/{session}").status_code == 404


def test_nobody_ends_the_session_of_somebody_else(api: Api, person: Person) -> None:
    (session,) = person.get("auth/sessions").json()["sessions"]
    assert api.person().send("DELETE", f"auth/sessions/{session['id']}").status_code == 404
    assert person.get("users/me").status_code == 200


def test_a_new_password_ends_every_other_session(api: Api, person: Person) -> None:
    other = person.elsewhere()
    answer = person.send("POST", "auth/password", json={"current": PASSWORD, "new": "another long walk"})
    assert answer.status_code == 204
    assert other.get("users/me").status_code == 401
    assert api.post("auth/refresh", {"refresh_token": other.refresh_token}).status_code == 401
    assert person.get("users/me").status_code == 200
    assert person.refresh().status_code == 200
    assert api.login(person.email).status_code == 401
    assert api.login(person.email, "another long walk").status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"current": "wrong", "new": "another long walk"}, 403, "wrong_password"),
        ({"current": PASSWORD, "new": "short"}, 422, "invalid"),
        ({"current": PASSWORD, "new": "password1"}, 422, "invalid"),
        ({"current": PASSWORD}, 422, "invalid"),
    ],
)
def test_a_bad_change_of_the_password_changes_nothing(person: Person, change: object, status: int, code: str) -> None:
    answer = person.send("POST", "auth/password", json=change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert person.elsewhere().get("users/me").status_code == 200
