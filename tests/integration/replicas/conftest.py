"""One primary with two replicas for the folder, and two workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from tests.integration.replicas.servers import Site, Worker, site


@pytest.fixture(scope="module")
def servers(open_folder: Path) -> Iterator[Site]:
    with site(open_folder) as made:
        yield made


@pytest.fixture(scope="module")
def cache() -> Iterator[Memcached]:
    with Memcached() as server:
        yield server


@pytest.fixture
def workers(servers: Site, cache: Memcached) -> Iterator[list[Worker]]:
    made = [Worker(servers.url, servers.replica_urls, cache.address) for _ in range(2)]
    yield made
    for each in made:
        each.close()
