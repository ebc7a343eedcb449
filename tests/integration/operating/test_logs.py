"""What the service logs, and what it must not log."""

import json
from collections.abc import Iterator

import pytest

from app.local.process import becomes_true
from tests.api_client import PASSWORD, Api, Person
from tests.integration.operating.release import KINDS, Release
from tests.service import Service

ADDRESS = "203.0.113.77"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module", params=KINDS)
def pod(request: pytest.FixtureRequest, release: Release) -> Iterator[Service]:
    """A service that logs every request."""
    with release.pod(request.param, LOG_REQUESTS="1", TRUSTED_PROXIES="127.0.0.0/8") as pod:
        yield pod


@pytest.fixture
def api(release: Release, pod: Service) -> Api:
    return release.api(pod)


def entries(pod: Service) -> list[dict[str, object]]:
    return [json.loads(line) for line in pod.log.read_text().splitlines()]


def requests_of(pod: Service, request_id: str) -> list[dict[str, object]]:
    def found() -> list[dict[str, object]]:
        return [each for each in entries(pod) if each.get("request_id") == request_id]

    assert becomes_true(lambda: bool(found()), 10)
    return found()


def test_request_is_logged_as_one_line_with_user_and_route(api: Api, pod: Service) -> None:
    person = api.person()
    person.get(f"users/{person.id}", headers={"X-Request-ID": "of-this-test", "traceparent": TRACE})
    (entry,) = requests_of(pod, "of-this-test")
    assert (entry["method"], entry["route"], entry["status"]) == ("GET", "/api/v1/users/{user_id}", 200)
    assert (entry["user_id"], entry["traceparent"]) == (person.id, TRACE)
    assert isinstance(entry["ms"], float)


def test_secrets_and_personal_data_are_not_logged(api: Api, pod: Service) -> None:
    person = api.person()
    secrets = [PASSWORD, person.email, person.email.partition("@")[0], person.token, person.refresh_token, ADDRESS]
    _do_everything(api, person)
    person.get("users/me", headers={"X-Request-ID": "the-last"})
    requests_of(pod, "the-last")
    text = pod.log.read_text()
    assert [each for each in (*secrets, person.refresh_token) if each in text] == []
    assert {entry["level"] for entry in entries(pod)} <= {"INFO", "WARNING"}


def _do_everything(api: Api, person: Person) -> None:
    headers = {"X-Forwarded-For": ADDRESS}
    body = {"email": person.email, "password": PASSWORD, "name": "Ada"}
    api.send("POST", "auth/register", json=body, headers=headers)
    api.send("POST", "auth/login", json={"email": person.email, "password": "not the password"}, headers=headers)
    api.send("POST", "auth/login", json={"email": [PASSWORD], "password": PASSWORD}, headers=headers)
    api.send("POST", "auth/login", data=f'{{"email": "{person.email}', headers=headers)
    api.send("GET", f"users/{person.email}?password={PASSWORD}", headers=headers)
    api.get("users/me", person.token + "x")
    person.refresh()
    person.send("PATCH", "users/me", json={"name": "Grace"}, headers=headers)
    person.elsewhere().send("POST", "auth/logout", headers=headers)
