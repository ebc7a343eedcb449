"""Two pods with two workers each, on one PostgreSQL and the same memcached servers."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from tests.pods.pod import KINDS, Pod, Shared

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def cache_servers() -> Iterator[list[Memcached]]:
    """Three servers; the first holds the log."""
    with ExitStack() as started:
        yield [started.enter_context(Memcached()) for _ in range(3)]


@pytest.fixture(scope="package")
def shared(postgres: Postgres, migrated: str, open_folder: Path) -> Iterator[Shared]:
    """The package's own database."""
    with own_database(postgres, migrated, open_folder) as shared:
        yield shared


@contextmanager
def own_database(postgres: Postgres, migrated: str, open_folder: Path) -> Iterator[Shared]:
    """A database that no other pods use; its pods wait at most 1 s for a connection."""
    from app.infra.postgres.migrate import migrate
    from app.main import preparation

    name = f"pods_{next(_numbers)}"
    folder = open_folder / name
    folder.mkdir()
    migrate(postgres.create_database(name, template=migrated), preparation())
    yield Shared(postgres, name, folder, {"database": {"acquire_timeout_ms": 1000}})
    postgres.drop_database(name)


@pytest.fixture(scope="package")
def pods(shared: Shared, cache_servers: list[Memcached]) -> Iterator[list[Pod]]:
    """Two pods, one of each worker class if both are installed, with the first two memcached servers."""
    with ExitStack() as started:
        yield [
            started.enter_context(Pod(name, shared, cache_servers[:2], kind=kind, workers=2))
            for name, kind in zip("ab", itertools.cycle(KINDS), strict=False)
        ]


@pytest.fixture
def whole(pods: list[Pod], cache_servers: list[Memcached]) -> list[Pod]:
    """The pods, after memcached is started again and each pod's health is ok."""
    for each in cache_servers:
        each.start()
    for pod in pods:
        pod.wait_until_ok()
    return pods
