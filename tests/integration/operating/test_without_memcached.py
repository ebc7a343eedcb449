"""A service without memcached is slower and still correct."""

from collections.abc import Iterator

import pytest

from tests.api_client import Api, Person
from tests.integration.operating.release import KINDS, Release, in_one_window

EVERY_WORKER = 20


@pytest.fixture(scope="module", params=KINDS)
def api(request: pytest.FixtureRequest, release: Release) -> Iterator[Api]:
    with release.pod(request.param, MEMCACHED_SERVERS="") as pod:
        yield release.api(pod)


@pytest.fixture
def person(api: Api) -> Person:
    return api.person()


def everywhere(api: Api, person: Person) -> list[dict[str, object]]:
    """The profile as read on new connections, each to any worker."""
    return [api.fresh().get("users/me", person.token).json() for _ in range(EVERY_WORKER)]


def test_health_is_ok_and_reports_the_cache_as_absent(api: Api) -> None:
    answer = api.get("health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["checks"]["cache"] == {"status": "absent"}


def test_a_logout_is_final(api: Api, person: Person) -> None:
    assert {user["id"] for user in everywhere(api, person)} == {person.id}
    assert person.send("POST", "auth/logout").status_code == 204
    assert {user["code"] for user in everywhere(api, person)} == {"invalid_token"}
    assert person.send("POST", "auth/logout").status_code == 204


def test_logging_out_everywhere_is_final(api: Api, person: Person) -> None:
    other = person.elsewhere()
    assert other.send("POST", "auth/logout?scope=all").status_code == 204
    assert {user["code"] for user in everywhere(api, person)} == {"invalid_token"}


def test_a_change_is_seen_by_every_worker(api: Api, person: Person) -> None:
    assert person.send("PATCH", "users/me", json={"headline": "without a cache"}).status_code == 200
    assert {user["headline"] for user in everywhere(api, person)} == {"without a cache"}
    batch = person.get(f"users/batch?ids={person.id},9223372036854775807").json()
    assert [user["headline"] for user in batch["users"]] == ["without a cache"]
    assert batch["missing"] == [9223372036854775807]


def test_reads_do_not_count_as_cache_hits(api: Api, person: Person) -> None:
    before = api.get("health/metrics").json()["performance"]["cache_hits"]
    everywhere(api, person)
    assert api.get("health/metrics").json()["performance"]["cache_hits"] == before


def test_limits_hold_for_each_worker(api: Api, person: Person) -> None:
    def count() -> list[int]:
        email = api.register().email
        return [api.fresh().login(email, "not the password").status_code for _ in range(61)]

    statuses = in_one_window(count)
    assert 30 <= statuses.count(401) <= 60
    assert set(statuses) == {401, 429}
