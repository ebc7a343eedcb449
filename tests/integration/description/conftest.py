"""The whole service, once with each worker class, without rate limits and with cheap password hashes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.infra.tuning.fitness import UNLIMITED
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from tests.api_client import Api
from tests.conftest import LocalDatabase
from tests.service import Service
from tests.sql import ask

TUNING = {
    "passwords": {"bcrypt_cost": 4, "queue": 1000},
    "limits": UNLIMITED,
}


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory,
    database: LocalDatabase,
    pgbouncer: PgBouncer,
    memcached: tuple[Memcached, Memcached],
) -> Iterator[list[Service]]:
    """Two pods of one release, one with each worker class."""
    folder: Path = tmp_path_factory.mktemp("described")
    tuning = folder / "tuning.json"
    tuning.write_text(json.dumps(TUNING))
    variables = {
        "WORKERS": "2",
        "TUNING_FILE": str(tuning),
        "DATABASE_URL": database.url,
        "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
        "MEMCACHED_SERVERS": ",".join(server.address for server in memcached),
        "PUBLIC_URL": "https://jobs.example",
    }
    with ExitStack() as running:
        yield [running.enter_context(Service(folder, variables | {"WORKER": kind})) for kind in ("meinheld", "gthread")]


@pytest.fixture(scope="module")
def admin_email(services: list[Service], database: LocalDatabase) -> str:
    """The email address of an administrator."""
    api = Api(services[0].url, lambda sql, parameters: ask(database.direct_url, sql, parameters))
    person = api.register()
    api.query("UPDATE users SET admin = true WHERE id = %s", (person.id,))
    return person.email
