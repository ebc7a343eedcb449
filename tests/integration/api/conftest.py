"""The whole service, once with each worker class, over real PostgreSQL, PgBouncer and memcached."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from tests.api_client import Api, Person
from tests.service import Service
from tests.sql import ask

TUNING = {
    "passwords": {"bcrypt_cost": 4},
    "limits": {"logins_per_address": 0, "registrations_per_address": 0},
}


@pytest.fixture(scope="session", params=["meinheld", "gthread"])
def api(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres: Postgres,
    pgbouncer: PgBouncer,
    migrated: str,
) -> Iterator[Api]:
    """A client of a service with two workers and its own database and memcached.

    Password hashes are cheap, because they would take most of the tests' time, and addresses have no login or
    registration limit.
    """
    name = f"api_{request.param}"
    direct_url = postgres.create_database(name, template=migrated)
    folder: Path = tmp_path_factory.mktemp(name)
    tuning = folder / "tuning.json"
    tuning.write_text(json.dumps(TUNING))
    variables = {
        "WORKER": request.param,
        "WORKERS": "2",
        "TUNING_FILE": str(tuning),
        "DATABASE_URL": pgbouncer.url_of(name),
        "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
        "PUBLIC_URL": "https://jobs.example",
        "JOB_PAGES_URL": "https://www.example/jobs/{id}",
    }

    def query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return ask(direct_url, sql, parameters)

    with Memcached() as first, Memcached() as second:
        variables["MEMCACHED_SERVERS"] = f"{first.address},{second.address}"
        with Service(folder, variables) as service:
            yield Api(service.url, query, service.variables)
    postgres.drop_database(name)


@pytest.fixture
def person(api: Api) -> Person:
    return api.person()
