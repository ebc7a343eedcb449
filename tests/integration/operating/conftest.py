"""The release that a module's services share; each module has its own database and memcached."""

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
    """A release with the default limits and cheap password hashes."""
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
