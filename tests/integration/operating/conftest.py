"""What a module's services have in common; each module has a database and a cache of its own."""

from collections.abc import Iterator

import pytest

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from tests.conftest import LocalDatabase
from tests.integration.operating.release import Release, Tuning


@pytest.fixture(scope="module")
def cache() -> Iterator[Memcached]:
    with Memcached() as server:
        yield server


@pytest.fixture(scope="module")
def release(
    tmp_path_factory: pytest.TempPathFactory, database: LocalDatabase, pgbouncer: PgBouncer, cache: Memcached
) -> Release:
    """Limits are those of the environment; passwords cost little."""
    folder = tmp_path_factory.mktemp("release")
    tuning = Tuning(folder / "tuning")
    variables = {
        "DATABASE_URL": database.url,
        "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
        "MEMCACHED_SERVERS": cache.address,
        "TUNING_FILE": str(tuning.path),
        "GRACEFUL_TIMEOUT": "1",
    }
    return Release(folder, variables, database.direct_url, tuning)
