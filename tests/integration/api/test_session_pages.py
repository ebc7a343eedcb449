"""Pages of the session list, and the limit of sessions per user."""

import pytest

from tests.api_client import Api, Person

ADD = (
    "INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at, last_seen_at) "
    "SELECT user_id, epoch, family, refresh_hash, expires_at, now() - make_interval(mins => n) "
    "FROM sessions, generate_series(1, %s) n WHERE user_id = %s RETURNING id"
)


def pages(person: Person, limit: int) -> list[list[dict[str, object]]]:
    found, cursor = [], ""
    while True:
        page = person.get(f"auth/sessions?limit={limit}{cursor}").json()
        found.append(page["sessions"])
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@pytest.mark.parametrize("position", [0, 1, 6])
def test_pages_list_each_session_once_with_the_current_first(api: Api, person: Person, position: int) -> None:
    current = [person, *(person.elsewhere() for _ in range(6))][position]
    ids = [row[0] for row in api.query("SELECT id FROM sessions WHERE user_id = %s ORDER BY id", (person.id,))]
    own = ids.pop(position)
    for limit in (1, 3, 7, 100):
        walked = pages(current, limit)
        assert {len(page) for page in walked[:-1]} <= {limit}
        found = [(each["id"], each["current"]) for page in walked for each in page]
        assert found == [(own, True), *((each, False) for each in reversed(ids))]


def test_default_page_has_twenty_sessions(api: Api, person: Person) -> None:
    api.query(ADD, (25, person.id))
    first = person.get("auth/sessions").json()
    assert (len(first["sessions"]), first["sessions"][0]["current"]) == (20, True)
    rest = person.get(f"auth/sessions?cursor={first['next']}").json()
    assert (len(rest["sessions"]), rest["next"]) == (6, None)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "cursor=x", "cursor=-1"])
def test_invalid_page_is_refused(person: Person, query: str) -> None:
    answer = person.get(f"auth/sessions?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_login_above_a_hundred_sessions_ends_the_longest_unused(api: Api, person: Person) -> None:
    """Also if the limit is exceeded by many."""
    added = [row[0] for row in api.query(ADD, (150, person.id))]
    latest = person.elsewhere()
    alive = [each["id"] for page in pages(latest, 100) for each in page]
    assert len(alive) == 100
    assert set(added) - set(alive) == set(added[98:])
    assert api.audited(person.id).count("session_displaced") == 52


def test_displaced_session_is_refused_by_every_worker(api: Api, person: Person) -> None:
    assert person.get("users/me").status_code == 200
    api.query(ADD, (99, person.id))
    api.query(
        "UPDATE sessions SET last_seen_at = now() - interval '1 day' WHERE id = "
        "(SELECT min(id) FROM sessions WHERE user_id = %s) RETURNING 1", (person.id,),
    )  # fmt: skip
    latest = person.elsewhere()
    assert {api.fresh().get("users/me", person.token).status_code for _ in range(10)} == {401}
    assert person.refresh().status_code == 401
    assert latest.get("users/me").status_code == 200
