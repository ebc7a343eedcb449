"""A queue of its own, with one worker that all tests of a module share."""

from collections.abc import Iterator

import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.local.pgbouncer import PgBouncer
from tests.conftest import LocalDatabase
from tests.integration.tasks.errands import TABLES
from tests.integration.tasks.workers import Errandboard, TaskWorker


@pytest.fixture(scope="module")
def board(database: LocalDatabase) -> Iterator[Errandboard]:
    """The queue, through PgBouncer in transaction mode."""
    found = Database(database.url, DatabaseTuning(), prepared=False)
    found.run(TABLES)
    yield Errandboard(found)
    found.close()


@pytest.fixture(scope="module")
def variables(database: LocalDatabase, pgbouncer: PgBouncer) -> dict[str, str]:
    """Settings of a worker."""
    return {"DATABASE_URL": database.url, "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url}


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory, board: Errandboard, variables: dict[str, str]
) -> Iterator[TaskWorker]:
    with TaskWorker(tmp_path_factory.mktemp("worker"), variables) as running:
        yield running
