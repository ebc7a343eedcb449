"""Two pods of two workers each over one PostgreSQL and the same memcached servers."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from tests.integration.finality.harness.pods import KINDS, Pod, Shared

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def cache_servers() -> Iterator[list[Memcached]]:
    """Three servers; the first holds the log."""
    with ExitStack() as started:
        yield [started.enter_context(Memcached()) for _ in range(3)]


@pytest.fixture(scope="package")
def shared(postgres: Postgres, migrated: str, open_folder: Path) -> Iterator[Shared]:
    """A database of the package's own; a connection is waited for 1 s at most."""
    from app.infra.postgres.migrate import migrate
    from app.main import preparation

    name = f"finality_{next(_numbers)}"
    folder = open_folder / name
    folder.mkdir()
    migrate(postgres.create_database(name, template=migrated), preparation())
    yield Shared(postgres, name, folder, {"database": {"acquire_timeout_ms": 1000}})
    postgres.drop_database(name)


@pytest.fixture(scope="package")
def pods(shared: Shared, cache_servers: list[Memcached]) -> Iterator[list[Pod]]:
    """One pod of each kind of worker where both can be had; each has the first two memcached servers."""
    with ExitStack() as started:
        yield [
            started.enter_context(Pod(name, shared, cache_servers[:2], kind=kind, workers=2))
            for name, kind in zip("ab", itertools.cycle(KINDS), strict=False)
        ]


@pytest.fixture
def whole(pods: list[Pod], cache_servers: list[Memcached]) -> list[Pod]:
    """The pods, with everything that they need at hand again."""
    for each in cache_servers:
        each.start()
    for pod in pods:
        pod.wait_until_ok()
    return pods
