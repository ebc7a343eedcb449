"""Refreshing, listing and ending sessions."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.local.process import becomes_true
from tests.api_client import PASSWORD, Api, Person

NOT_A_TOKEN = ["", "x", "Bearer", "a.b.c", "eyJhbGciOiJub25lIn0.e30."]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", *[f"Bearer {text}" for text in NOT_A_TOKEN]]
)
@pytest.mark.parametrize("path", ["users/me", "users/1", "users/batch?ids=1", "auth/sessions"])
def test_missing_or_invalid_token_is_refused(api: Api, path: str, header: str | None) -> None:
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


def test_logged_out_token_cannot_log_out_everywhere(person: Person) -> None:
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


def test_refresh_token_with_an_unused_successor_stays_valid(api: Api, person: Person) -> None:
    """The response of the first refresh was lost, and the client retries much later."""
    first = {"refresh_token": person.refresh_token}
    lost = api.post("auth/refresh", first).json()["refresh_token"]
    _age_rotations(api, person, seconds=86_400)
    assert api.post("auth/refresh", first).json()["refresh_token"] == lost
    assert person.get("users/me").status_code == 200


def test_older_refresh_tokens_get_the_current_one_during_grace(api: Api, person: Person) -> None:
    older = [person.refresh_token]
    for _ in range(3):
        person.refresh()
        older.append(person.refresh_token)
    found = [api.post("auth/refresh", {"refresh_token": each}).json()["refresh_token"] for each in older[:-1]]
    assert set(found) == {person.refresh_token}
    assert person.refresh().status_code == 200


@pytest.mark.parametrize("rotations", [2, 3])
def test_a_reused_refresh_token_ends_its_family(api: Api, person: Person, rotations: int) -> None:
    first = person.refresh_token
    for _ in range(rotations):
        person.refresh()
    _age_rotations(api, person, seconds=11)
    assert api.post("auth/refresh", {"refresh_token": first}).status_code == 401
    assert person.get("users/me").status_code == 401
    assert person.refresh().status_code == 401
    assert "refresh_reused" in api.audited(person.id)


def test_rotation_by_an_earlier_version_gives_no_grace(api: Api, person: Person) -> None:
    """An earlier version does not record rotation times, so the recorded ones belong to other tokens."""
    first = person.refresh_token
    person.refresh()
    person.refresh()
    query = "UPDATE sessions SET rotations_at = rotations_at - 1 WHERE user_id = %s RETURNING 1"
    api.query(query, (person.id,))
    assert api.post("auth/refresh", {"refresh_token": first}).status_code == 401


def _age_rotations(api: Api, person: Person, seconds: int) -> None:
    api.query(
        "UPDATE sessions SET rotations = ARRAY(SELECT t - make_interval(secs => %s) FROM unnest(rotations) AS t), "
        "rotated_at = rotated_at - make_interval(secs => %s) WHERE user_id = %s RETURNING 1",
        (seconds, seconds, person.id),
    )


@pytest.mark.parametrize("token", ["x", "A" * 59, "A" * 60, "ä", "0" * 200])
def test_a_made_up_refresh_token_is_refused(api: Api, token: str) -> None:
    answer = api.post("auth/refresh", {"refresh_token": token})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def test_sessions_have_agent_address_and_current(person: Person) -> None:
    other = person.elsewhere(agent="another device")
    sessions = person.get("auth/sessions").json()["sessions"]
    assert [(each["current"], each["agent"]) for each in sessions] == [(True, "the tests"), (False, "another device")]
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
def test_ending_an_unknown_session_is_not_found(person: Person, session: str) -> None:
    assert person.send("DELETE", f"auth/sessions/{session}").status_code == 404


def test_ending_the_session_of_another_user_is_not_found(api: Api, person: Person) -> None:
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
def test_refused_password_change_changes_nothing(person: Person, change: object, status: int, code: str) -> None:
    answer = person.send("POST", "auth/password", json=change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert person.elsewhere().get("users/me").status_code == 200


@pytest.mark.parametrize("query", ["?scope=", "?scope=ALL", "?scope=all&scope=session", "?scope=all&scope=all"])
def test_ambiguous_scope_is_refused(person: Person, query: str) -> None:
    answer = person.send("POST", f"auth/logout{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert person.get("users/me").status_code == 200


def test_a_session_that_has_expired_is_not_refreshed(api: Api, person: Person) -> None:
    (session,) = person.get("auth/sessions").json()["sessions"]
    api.query("UPDATE sessions SET expires_at = now() WHERE id = %s RETURNING id", (session["id"],))
    assert person.refresh().status_code == 401


def test_many_refreshes_at_once_get_the_identical_token(api: Api, person: Person) -> None:
    body = {"refresh_token": person.refresh_token}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.fresh().post("auth/refresh", body), range(8)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["refresh_token"] for each in answers}) == 1


def test_refresh_token_with_the_mac_of_another_is_refused(api: Api, person: Person) -> None:
    other = api.person()
    mixed = person.refresh_token[:16] + other.refresh_token[16:]
    assert api.post("auth/refresh", {"refresh_token": mixed}).status_code == 401
    assert person.refresh().status_code == other.refresh().status_code == 200


def test_an_agent_is_shortened_and_cleaned(person: Person) -> None:
    other = person.elsewhere(agent="x\u00a0y\t" + "z" * 1000)
    (agent,) = [each["agent"] for each in other.get("auth/sessions").json()["sessions"] if each["current"]]
    assert len(agent) <= 200
    assert agent.isprintable()


def test_agent_is_decoded_as_it_was_sent(person: Person) -> None:
    """`requests` encodes header text as ISO 8859-1 and sends bytes unchanged."""
    agents = []
    for sent in ("caf\u00e9", "caf\u00e9 \u674e".encode(), b"caf\xe9 \xff"):
        answer = person.api.login(person.email, agent=sent)  # type: ignore[arg-type]
        sessions = person.api.get("auth/sessions", answer.json()["access_token"]).json()["sessions"]
        agents += [each["agent"] for each in sessions if each["current"]]
    assert agents == ["caf\u00e9", "caf\u00e9 \u674e", "caf\u00e9 \u00ff"]


def test_the_present_session_can_be_ended_by_its_id(api: Api, person: Person) -> None:
    (session,) = person.get("auth/sessions").json()["sessions"]
    assert person.send("DELETE", f"auth/sessions/{session['id']}").status_code == 204
    assert {api.fresh().get("users/me", person.token).status_code for _ in range(20)} == {401}
    assert person.send("DELETE", f"auth/sessions/{session['id']}").status_code == 401


@pytest.mark.parametrize(
    ("new", "code"), [("password1", "common_password"), ("\uff50assword1", "common_password"), ("", "invalid")]
)
def test_new_password_has_the_same_rules(person: Person, new: str, code: str) -> None:
    answer = person.send("POST", "auth/password", json={"current": PASSWORD, "new": new})
    assert answer.status_code == 422
    assert [(each["field"], each["code"]) for each in answer.json()["fields"]] == [("new", code)]


def test_one_of_two_password_changes_at_once_wins(api: Api, person: Person) -> None:
    def change(new: str) -> int:
        body = {"current": PASSWORD, "new": new}
        mine = Person(api.fresh(), person.id, person.email)
        mine.token = person.token
        return mine.send("POST", "auth/password", json=body).status_code

    passwords = ["another long walk", "yet another long walk"]
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(change, passwords))
    assert sorted(statuses) in ([204, 403], [204, 409])
    assert [api.login(person.email, each).status_code == 200 for each in passwords] == [s == 204 for s in statuses]


def age(api: Api, person: Person, interval: str) -> None:
    """Move the creation of the person's session into the past."""
    api.query("UPDATE sessions SET created_at = now() - %s::interval WHERE user_id = %s", (interval, person.id))


def test_session_ends_after_ninety_days_despite_refreshes(api: Api, person: Person) -> None:
    """Although its `expires_at` is later, as in rows written by versions without that limit."""
    age(api, person, "90 days 1 second")
    assert person.refresh().status_code == 401
    later = person.elsewhere()
    assert [each["current"] for each in later.get("auth/sessions").json()["sessions"]] == [True]
    assert becomes_true(lambda: person.get("users/me").status_code == 401, 30)
    assert person.send("POST", "auth/logout?scope=all").status_code == 401


def test_refresh_does_not_extend_a_session_beyond_ninety_days(api: Api, person: Person) -> None:
    age(api, person, "89 days 23 hours")
    assert person.refresh().status_code == 200
    assert person.get("users/me").status_code == 200
    (end,) = api.query(
        "SELECT expires_at = created_at + interval '90 days' FROM sessions WHERE user_id = %s", (person.id,)
    )
    assert end == (True,)
