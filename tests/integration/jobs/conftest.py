"""The whole service with two workers on real servers, and companies with postings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from tests.api_client import Api, Person
from tests.conftest import LocalDatabase
from tests.integration.jobs.test_keys import MEMBER, OWNER
from tests.integration.jobs.workers import NEW_COMPANY, Worker, start
from tests.service import Service
from tests.sql import ask

TUNING = {
    "passwords": {"bcrypt_cost": 4},
    "limits": {
        "logins_per_address": 0,
        "registrations_per_address": 0,
        "open_requests_per_address": 0,
        "requests_per_user": 0,
    },
}


@pytest.fixture(scope="module")
def api(
    tmp_path_factory: pytest.TempPathFactory, database: LocalDatabase, pgbouncer: PgBouncer
) -> Iterator[Api]:  # fmt: skip
    folder: Path = tmp_path_factory.mktemp("jobs")
    (folder / "tuning.json").write_text(json.dumps(TUNING))

    def query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return ask(database.direct_url, sql, parameters)

    with Memcached() as memcached:
        variables = {
            "WORKERS": "2",
            "TUNING_FILE": str(folder / "tuning.json"),
            "DATABASE_URL": database.url,
            "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
            "MEMCACHED_SERVERS": memcached.address,
        }
        with Service(folder, variables) as service:
            yield Api(service.url, query)


class Recruiter:
    """The owner of a new company, who writes postings."""

    def __init__(self, api: Api, name: str = "Acme") -> None:
        self.api, self.person = api, api.person()
        answer = self.person.send("POST", "companies", json={"name": name})
        assert answer.status_code == 201, answer.text
        self.company_id = int(answer.json()["id"])

    def offer(self, **said: Any) -> dict[str, Any]:
        body = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en"} | said
        answer = self.person.send("POST", f"companies/{self.company_id}/jobs", json=body)
        assert answer.status_code == 201, answer.text
        offered: dict[str, Any] = answer.json()
        return offered

    def patch(self, job_id: int, headers: dict[str, str] | None = None, **said: Any) -> Any:
        return self.person.send("PATCH", f"jobs/{job_id}", headers, json=said)


@pytest.fixture(scope="module")
def recruiter(api: Api) -> Recruiter:
    return Recruiter(api)


@pytest.fixture(scope="module")
def stranger(api: Api) -> Person:
    return api.person()


@pytest.fixture(scope="module")
def servers() -> Iterator[Memcached]:
    with Memcached() as memcached:
        yield memcached


@pytest.fixture
def workers(database: LocalDatabase, servers: Memcached) -> Iterator[list[Worker]]:
    """Two of them; facts of one test are unknown to the next, as it begins another era of the log."""
    direct = Database(database.direct_url, DatabaseTuning(), prepared=False)
    direct.run("TRUNCATE companies, users RESTART IDENTITY CASCADE")
    direct.run("DELETE FROM outbox")
    record = direct.one("SELECT identity, counter FROM change_log")
    direct.run("UPDATE change_log SET identity = NULL")
    servers.stop()
    servers.start()
    (user,), (company,) = direct.one(OWNER) or (0,), direct.one(NEW_COMPANY) or (0,)
    direct.run(MEMBER, company, user)
    made = [start(database.direct_url, servers.address) for _ in range(2)]
    for each in made:
        each.user, each.company = user, company
    yield made
    for each in made:
        each.database.close()
    direct.run("TRUNCATE companies, users CASCADE")
    direct.run("UPDATE change_log SET identity = %s, counter = %s", *(record or (None, "ticket")))
    direct.run("DELETE FROM outbox")
    direct.close()
