"""A running service applies a new tuning file and refuses an invalid one."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.local.process import Process
from tests.api_client import Api, Person
from tests.integration.operating.release import CHEAP, KINDS, Release, wait_for
from tests.service import Service

BAD = [b"{", b'{"generation": 99, "unknown": 1}', b'{"generation": 99, "database": {"pool_min": 9, "pool_max": 8}}']


@pytest.fixture(scope="module", params=KINDS)
def pod(request: pytest.FixtureRequest, release: Release) -> Iterator[Service]:
    release.tuning.write({**CHEAP, "generation": 1})
    with release.pod(request.param) as pod:
        yield pod


@pytest.fixture
def api(release: Release, pod: Service) -> Api:
    return release.api(pod)


def tune(release: Release, api: Api, generation: int, **settings: Mapping[str, object]) -> None:
    """Write the file and wait until both workers have applied it."""
    release.tuning.write({**CHEAP, **settings, "generation": generation})
    wanted = {"0": generation, "1": generation}
    wait_for(lambda: api.gauges("jobfinder_tuning_generation") == wanted, f"generation {generation} everywhere")


def test_every_worker_applies_new_tuning_without_restart(release: Release, pod: Service, api: Api) -> None:
    def compressed() -> set[str | None]:
        return {api.fresh().root("/openapi.json").headers.get("Content-Encoding") for _ in range(20)}

    wait_for(lambda: len(_workers(pod)) == 2, "both workers")
    workers = _workers(pod)
    assert None not in compressed()
    tune(release, api, 2, compression={"enabled": False})
    assert compressed() == {None}
    tune(release, api, 3)
    assert None not in compressed()
    assert _workers(pod) == workers


def test_a_limit_can_be_set_and_lifted(release: Release, api: Api) -> None:
    person = api.person()
    tune(release, api, 4, limits={"requests_per_user": 1})
    wait_for(lambda: person.get("users/me").status_code == 429, "the limit is reached")
    tune(release, api, 5, limits={"requests_per_user": 0})
    assert {person.get("users/me").status_code for _ in range(20)} == {200}


def test_login_rehashes_the_password_after_the_cost_is_raised(release: Release, api: Api) -> None:
    tune(release, api, 6)
    person = api.register()
    assert _hash(release, person).startswith(b"$2b$04$")
    tune(release, api, 7, passwords={"bcrypt_cost": 5})
    assert api.login(person.email, "not the password").status_code == 401
    assert _hash(release, person).startswith(b"$2b$04$")
    assert api.login(person.email).status_code == 200
    wait_for(lambda: _hash(release, person).startswith(b"$2b$05$"), "the hash of the new cost")
    assert api.login(person.email).status_code == 200


def test_lower_cost_does_not_rehash_existing_passwords(release: Release, api: Api) -> None:
    tune(release, api, 10, passwords={"bcrypt_cost": 6})
    old = api.register()
    tune(release, api, 11, passwords={"bcrypt_cost": 4})
    new = api.register()
    assert api.login(old.email).status_code == 200
    tune(release, api, 12, passwords={"bcrypt_cost": 5})
    assert api.login(new.email).status_code == 200
    wait_for(lambda: _hash(release, new).startswith(b"$2b$05$"), "what was to be done after both logins")
    assert _hash(release, old).startswith(b"$2b$06$")


def test_default_bcrypt_cost_is_ten(release: Release, api: Api) -> None:
    release.tuning.write({"generation": 9})
    wait_for(lambda: api.gauges("jobfinder_tuning_generation") == {"0": 9, "1": 9}, "generation 9 everywhere")
    assert _hash(release, api.register()).startswith(b"$2b$10$")


@pytest.mark.parametrize("content", BAD)
def test_bad_tuning_is_refused_and_the_previous_stays(release: Release, pod: Service, api: Api, content: bytes) -> None:
    tune(release, api, 8, compression={"enabled": False})
    refused = api.gauges("jobfinder_tuning_refused")
    release.tuning.write(content)
    wanted = {worker: number + 1 for worker, number in refused.items()}
    wait_for(lambda: api.gauges("jobfinder_tuning_refused") == wanted, "both workers refuse it")
    assert api.gauges("jobfinder_tuning_generation") == {"0": 8, "1": 8}
    assert "Content-Encoding" not in api.root("/openapi.json").headers
    assert "is refused, generation 8 stays" in pod.log.read_text()


def _workers(pod: Service) -> set[int]:
    """Process ids of the workers."""
    assert isinstance(pod.process, Process)
    pid = pod.process.pid
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def _hash(release: Release, person: Person) -> bytes:
    ((found,),) = release.query("SELECT password_hash FROM users WHERE id = %s", (person.id,))
    return bytes(found)


def test_stale_results_can_be_allowed_and_forbidden(release: Release, api: Api) -> None:
    tune(release, api, 20, cache={"search": {"staleness_ms": 60_000}})
    person = api.person()
    company = person.send("POST", "companies", json={"name": "Acme"}).json()["id"]

    def found() -> tuple[int, bool]:
        answer = api.fresh().get(f"jobs?company={company}")
        return len(answer.json()["items"]), "Age" in answer.headers

    assert found() == (0, False)
    body = {"title": "Nurse", "description": "<p>You care.</p>"}
    assert person.send("POST", f"companies/{company}/jobs", json=body).status_code == 201
    assert {found() for _ in range(20)} == {(0, True)}
    tune(release, api, 21)
    assert {found() for _ in range(20)} == {(1, False)}
