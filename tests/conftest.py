"""Real servers for every test: one PostgreSQL, one PgBouncer and two memcached for the whole session.

With `-n` every worker of pytest-xdist is a separate session; `parallel.py` decides which tests it runs.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres

TEMPLATE = "migrated"

# No deadline: how long an example takes depends on the load of the machine.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.parallel import Groups

    return Groups(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the groups, after pytest has grouped the tests that share a fixture."""
    if hasattr(config, "workerinput"):
        from tests.parallel import rank

        items.sort(key=rank)


@dataclass(frozen=True)
class LocalDatabase:
    """A migrated, empty database: `url` goes through PgBouncer, `direct_url` to PostgreSQL itself."""

    name: str
    url: str
    direct_url: str


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that the servers' unprivileged account can enter, unlike `tmp_path` of root."""
    folder = Path(tempfile.mkdtemp(prefix="jobfinder-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(open_folder: Path) -> Iterator[Postgres]:
    with Postgres(open_folder / "postgres", durable=False, max_connections=300) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres: Postgres, migrated: str) -> Iterator[PgBouncer]:
    """Serves every database of `postgres` under its own name, with the service's statements prepared."""
    from app.main import preparation

    with PgBouncer(postgres, [preparation().connect_query], pool_size=16) as server:
        yield server


@pytest.fixture(scope="session")
def memcached() -> Iterator[tuple[Memcached, Memcached]]:
    """Two servers; the first is server 0, which holds the change log."""
    with Memcached() as first, Memcached() as second:
        yield first, second


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The name of a template database with the whole schema."""
    from app.infra.postgres.migrate import migrate
    from app.main import preparation

    migrate(postgres.create_database(TEMPLATE), preparation())
    return TEMPLATE


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def database(postgres: Postgres, pgbouncer: PgBouncer, migrated: str) -> Iterator[LocalDatabase]:
    """A database for one test module. `migrate` sets the session limits, which a copy of a template does not have."""
    from app.infra.postgres.migrate import migrate
    from app.main import preparation

    name = f"test_{next(_numbers)}"
    direct_url = postgres.create_database(name, template=migrated)
    migrate(direct_url, preparation())
    yield LocalDatabase(name, pgbouncer.url_of(name), direct_url)
    postgres.drop_database(name)
