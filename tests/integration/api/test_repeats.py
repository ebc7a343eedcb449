"""Repeated requests get the same response and are audited once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api_client import Api, Person

End = Callable[[Api, Person], int]


def log_out(api: Api, person: Person) -> int:
    return api.send("POST", "auth/logout", headers={"Authorization": f"Bearer {person.token}"}).status_code


def log_out_everywhere(api: Api, person: Person) -> int:
    return api.send("POST", "auth/logout?scope=all", headers={"Authorization": f"Bearer {person.token}"}).status_code


def revoke_refresh_token(api: Api, person: Person) -> int:
    return api.send("POST", "auth/revoke", data={"token": person.refresh_token}).status_code


def revoke_access_token(api: Api, person: Person) -> int:
    return api.send("POST", "auth/revoke", data={"token": person.token}).status_code


@pytest.mark.parametrize(
    ("end", "status", "event"),
    [
        (log_out, 204, "logged_out"),
        (log_out_everywhere, 204, "logged_out_everywhere"),
        (revoke_refresh_token, 200, "token_revoked"),
        (revoke_access_token, 200, "token_revoked"),
    ],
)
def test_repeated_logout_is_audited_once(api: Api, person: Person, end: End, status: int, event: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: end(api.fresh(), person), range(8))) == {status}
    assert end(api, person) == status
    assert api.audited(person.id) == ["registered", "logged_in", event]


def test_only_the_first_of_several_ends_is_audited(api: Api, person: Person) -> None:
    assert [log_out(api, person), revoke_access_token(api, person), log_out_everywhere(api, person)] == [204, 200, 204]
    assert api.audited(person.id) == ["registered", "logged_in", "logged_out"]


def test_the_end_of_another_session_is_logged_once(api: Api, person: Person) -> None:
    person.elsewhere()
    (ended,) = [each["id"] for each in person.get("auth/sessions").json()["sessions"] if not each["current"]]
    assert [person.send("DELETE", f"auth/sessions/{ended}").status_code for _ in range(3)] == [204] * 3
    assert api.audited(person.id).count("session_ended") == 1


def test_repeated_logout_keeps_the_first_revoked_at(api: Api, person: Person) -> None:
    find = "SELECT revoked_at FROM sessions WHERE user_id = %s"
    log_out(api, person)
    first = api.query(find, (person.id,))
    assert first != [(None,)]
    log_out(api, person)
    assert api.query(find, (person.id,)) == first
