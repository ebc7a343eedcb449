"""A service and a realtime gateway over one database and one memcached, for all tests."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from tests.api_client import Api, Person
from tests.integration.realtime.gateways import Gateway
from tests.service import Service
from tests.sql import ask

TUNING = {"passwords": {"bcrypt_cost": 4}, "accounts": {"streams_per_user": 3}}


@pytest.fixture(scope="session")
def memcached_of() -> Iterator[Memcached]:
    """The only memcached of the service and the gateways."""
    with Memcached() as server:
        yield server


@pytest.fixture(scope="session")
def api(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, pgbouncer: PgBouncer, migrated: str,
    memcached_of: Memcached,
) -> Iterator[Api]:  # fmt: skip
    direct_url = postgres.create_database("realtime", template=migrated)
    folder = tmp_path_factory.mktemp("realtime")
    tuning = folder / "tuning.json"
    tuning.write_text(json.dumps(TUNING))
    variables = {
        "TUNING_FILE": str(tuning),
        "WORKERS": "2",
        "DATABASE_URL": pgbouncer.url_of("realtime"),
        "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
        "CORS_ORIGINS": "https://www.example",
    }

    def query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return ask(direct_url, sql, parameters)

    variables["MEMCACHED_SERVERS"] = memcached_of.address
    with Service(folder, variables) as service:
        yield Api(service.url, query, service.variables)
    postgres.drop_database("realtime")


@pytest.fixture(scope="session")
def gateway(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), api.variables) as running:
        yield running


@pytest.fixture
def person(api: Api) -> Person:
    return api.person()
